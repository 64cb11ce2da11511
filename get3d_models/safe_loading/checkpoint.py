"""Opening a checkpoint: what kind of file it is, by its content, and one clear line for everything that is not one."""

import difflib
import mmap
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Any

from get3d_models.errors import InputError

from . import archive
from .inert import Finisher
from .legacy import PICKLE_TYPES, read_streams
from .limits import Budget, Unreadable

CHECKPOINT_SUFFIXES = (".pt", ".pth", ".pkl")
# What people have instead of a checkpoint, by how it starts (after white space, in lower case).
OTHER_FILES = {
    b"version https://git-lfs": "is a git-lfs pointer, not the checkpoint itself: fetch it with `git lfs pull`",
    b"<": "is a web page, not a checkpoint (the download went wrong): get the file itself with a browser",
    b"{": "is a text file (JSON?), not a checkpoint: give a .pt or .pkl file",
    b"\x1f\x8b": "is compressed by gzip: unpack it and give the checkpoint inside",
    b"7z\xbc\xaf": "is a 7z archive: unpack it and give the checkpoint inside",
    b"rar!": "is a rar archive: unpack it and give the checkpoint inside",
    b"\x89hdf": "is an HDF5 file, not a PyTorch checkpoint: give a .pt or .pkl file",
    b"\x93numpy": "is a numpy array, not a checkpoint: give a .pt or .pkl file",
}


def read_checkpoint(path: str | Path, top_level_keys: Collection[str] | None = None) -> Any:
    """Read a torch.save file (zip or older) or a pickle with networks, as inert data; its content says which it is.

    Nothing in the file is ever run or imported, and nothing is allocated that the file does not really hold. The result
    consists of dict, list, tuple, set, str, bytes, numbers and None; tensors on the CPU, which numpy arrays and
    parameters become too (what shares a storage in the file shares memory here; nothing of the file stays open);
    `SimpleNamespace` for an argparse.Namespace; and `PickledModule` for a pickled network.

    :param top_level_keys: which entries of the top-level dictionary are wanted with their data; all by default. In the
        others, tensors are on the device `meta`: they have a shape and a type, and cost no memory and no reading.
    :raises InputError: one line that names the file, for a file that is missing, damaged, hostile or something else.
    """
    path = Path(path)
    try:
        return _read(path, top_level_keys)
    except Unreadable as refusal:
        raise InputError(_one_line(f"{path} {refusal}")) from None
    except OSError as error:
        reason = f"{path} cannot be read ({error.strerror or error}): check the disk and your permission"
        raise InputError(_one_line(reason)) from None


def _read(path: Path, top_level_keys: Collection[str] | None) -> Any:
    if not path.exists():
        raise Unreadable(f"does not exist{_suggestion(path)}")
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise Unreadable(f"is a directory: give a file{_inside(path)}")
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("is not an ordinary file: give a .pt or .pkl file")
    if status.st_size == 0:
        raise Unreadable("is empty (its download failed?): get the file again")
    with open(path, "rb") as file:
        # Unmapped when the last view is gone: closing it while an exception still holds one would be an error.
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return _read_mapped(memoryview(mapped), top_level_keys)


def _read_mapped(data: memoryview, top_level_keys: Collection[str] | None) -> Any:
    budget = Budget(len(data))
    if data[:4] == archive.MAGIC:
        draft = archive.read_archive(data, budget)
    elif data[:1] == b"\x80":
        draft = read_streams(data, PICKLE_TYPES, budget)
    else:
        raise Unreadable(_what_it_is(bytes(data[:512])))
    return Finisher(budget).finish(draft, top_level_keys)


def _what_it_is(start: bytes) -> str:
    for beginning, message in OTHER_FILES.items():
        if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(beginning):
            return message
    if start[8:9] == b"{":
        return "is a safetensors file, not a checkpoint of torch or a pickle: open it with get3d_models.load"
    if start[257:262] == b"ustar":
        return "is a tar archive: unpack it and give the checkpoint inside"
    return "is not a checkpoint (neither torch.save's format nor a pickle of protocol 2 to 5): give a .pt or .pkl file"


def _inside(directory: Path) -> str:
    names = sorted(entry.name for entry in directory.iterdir() if entry.suffix in CHECKPOINT_SUFFIXES)
    return f" in it, such as {directory / names[0]}" if names else "; it holds no .pt or .pkl file"


def _suggestion(path: Path) -> str:
    """The files a mistyped path may have meant."""
    if not path.parent.is_dir():
        return f": there is no directory {path.parent}"
    names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    near = difflib.get_close_matches(path.name, names, n=1)
    return f": did you mean {path.parent / near[0]}?" if near else f": look for it in {path.parent}"


def _one_line(message: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in message)
