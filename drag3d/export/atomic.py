"""Writing a file so that the old one is either untouched or completely replaced.

The new content goes to a temporary file beside the old one, reaches the disk (fsync), and only then takes the old
one's name, which the operating system does in one step. Whatever stops the writer in between (an exception, a full
disk, Ctrl-C), the old file keeps its bytes and the temporary file is removed.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from get3d_models.errors import InputError

_REASONS = {
    errno.EACCES: "permission denied; choose a place you may write to",
    errno.EPERM: "permission denied; choose a place you may write to",
    errno.EROFS: "the disk is read-only; choose another place",
    errno.ENOSPC: "the disk is full; free some space or choose another place",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another place",
    errno.EFBIG: "the file would be larger than this disk allows; choose another place",
    errno.EIO: "the disk reports an input/output error; choose another place",
    errno.ENAMETOOLONG: "the file name is too long; choose a shorter one",
}


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends without an exception it takes the place of `path`.

    A new file gets the usual permissions (the umask applies), a replaced one keeps those it had. A symbolic link
    stays a link: the file it points to is replaced.

    Raises `InputError`, in one line, when the directory is missing, `path` is a directory or another thing that is
    not a file, may not be written, or the disk is full.
    """
    target = _checked_target(path)
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        with _one_line_errors(target, temporary):
            # Created here with 0o666, so that the kernel applies the umask (tempfile would give 0o600).
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            if target.exists():
                os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
            yield temporary
            _flush_to_disk(temporary)
            os.replace(temporary, target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    if os.name == "posix":
        with suppress(OSError):  # The new name has been given; that it survives a power cut is a courtesy.
            _flush_to_disk(target.parent)


def write_bytes_atomically(path: str | os.PathLike[str], content: bytes) -> Path:
    """Replace the file at `path` by `content` in one step and return `path`. Raises `InputError` as `atomic_write`."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def _checked_target(path: str | os.PathLike[str]) -> Path:
    """The real file behind `path` (links resolved): a file or nothing yet, in a directory that exists."""
    if "\0" in os.fspath(path) or not os.fspath(path):
        raise InputError(f"cannot write to {os.fspath(path)!r}: this is not a file name; give a path such as out.glb")
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise InputError(f"cannot write {path}: it is a directory; give the name of a file in it")
        if target.exists() and not target.is_file():  # os.replace would put a file where a device was
            raise InputError(f"cannot write {path}: it exists and is not an ordinary file; choose another name")
        if not target.parent.exists():
            raise InputError(f"cannot write {path}: the directory {target.parent} does not exist; create it first")
        if not target.parent.is_dir():
            raise InputError(f"cannot write {path}: {target.parent} is not a directory; choose another place")
    except OSError as error:
        raise InputError(_message(target, error)) from error
    return target


@contextmanager
def _one_line_errors(target: Path, temporary: Path) -> Iterator[None]:
    """Turn errors of the disk into `InputError`, and leave errors about other files alone."""
    try:
        yield
    except OSError as error:
        ours = error.filename is None or os.fspath(error.filename) == str(temporary)
        if not (ours and error.errno in _REASONS):
            raise
        raise InputError(_message(target, error)) from error


def _message(target: Path, error: OSError) -> str:
    return f"cannot write {target}: {_REASONS.get(error.errno or 0, error.strerror or str(error))}"


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)  # Windows syncs only writable files
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
