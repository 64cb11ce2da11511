"""A file is either the old one or the new one, never something in between."""

import errno
import os
import stat
from pathlib import Path

import pytest

from drag3d.export import atomic_write, write_bytes_atomically
from get3d_models.errors import InputError


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    path = tmp_path / "shape.glb"
    path.write_bytes(b"old")
    return path


def files_in(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_a_finished_write_replaces_the_old_file(old_file: Path) -> None:
    with atomic_write(old_file) as temporary:
        temporary.write_bytes(b"new")
        assert temporary.parent == old_file.parent
        assert old_file.read_bytes() == b"old"
    assert old_file.read_bytes() == b"new"
    assert files_in(old_file.parent) == ["shape.glb"]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, MemoryError])
def test_an_interrupted_write_leaves_the_old_bytes_and_no_rubbish(old_file: Path, stop: type[BaseException]) -> None:
    with pytest.raises(stop), atomic_write(old_file) as temporary:
        temporary.write_bytes(b"half of the n")
        raise stop
    assert old_file.read_bytes() == b"old"
    assert files_in(old_file.parent) == ["shape.glb"]


def test_a_write_that_never_finishes_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_write(tmp_path / "new.glb") as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert files_in(tmp_path) == []


def test_the_content_is_on_the_disk_before_it_takes_the_name(old_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    happened = []
    real_fsync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (happened.append("fsync"), real_fsync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (happened.append("replace"), real_replace(a, b))[1])
    write_bytes_atomically(old_file, b"new")
    assert happened[:2] == ["fsync", "replace"]


@pytest.mark.skipif(os.name != "posix", reason="file modes are a POSIX matter")
def test_a_new_file_gets_the_mode_the_umask_asks_for(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes_atomically(tmp_path / "new.glb", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.glb").stat().st_mode) == 0o640


@pytest.mark.skipif(os.name != "posix", reason="file modes are a POSIX matter")
def test_a_replaced_file_keeps_its_mode(old_file: Path) -> None:
    old_file.chmod(0o604)
    write_bytes_atomically(old_file, b"new")
    assert stat.S_IMODE(old_file.stat().st_mode) == 0o604


@pytest.mark.skipif(os.name != "posix", reason="symbolic links need rights on Windows")
def test_a_symbolic_link_stays_a_link_to_the_new_content(old_file: Path) -> None:
    link = old_file.with_name("latest.glb")
    link.symlink_to(old_file)
    write_bytes_atomically(link, b"new")
    assert link.is_symlink()
    assert old_file.read_bytes() == b"new"


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the directory .*nowhere does not exist; create it first"):
        write_bytes_atomically(tmp_path / "nowhere" / "a.glb", b"new")
    assert files_in(tmp_path) == []


def test_a_directory_cannot_be_written_over(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it is a directory; give the name of a file in it"):
        write_bytes_atomically(tmp_path, b"new")


def test_a_file_is_no_place_for_a_file(old_file: Path) -> None:
    with pytest.raises(InputError, match="is not a directory"):
        write_bytes_atomically(old_file / "a.glb", b"new")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_device_or_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not an ordinary file"):
        write_bytes_atomically(tmp_path / "pipe", b"new")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.parametrize("name", ["", "a\0b.glb"])
def test_what_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="not a file name"):
        write_bytes_atomically(name, b"new")


def test_a_name_too_long_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too long"):
        write_bytes_atomically(tmp_path / ("a" * 300 + ".glb"), b"new")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "read-only"),
        (errno.EDQUOT, "quota"),
    ],
)
def test_trouble_with_the_disk_is_one_line_and_keeps_the_old_file(
    old_file: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match=words) as caught:
        write_bytes_atomically(old_file, b"new")
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert old_file.read_bytes() == b"old"
    assert files_in(old_file.parent) == ["shape.glb"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_write_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="permission denied"):
            write_bytes_atomically(tmp_path / "a.glb", b"new")
    finally:
        tmp_path.chmod(0o700)


def test_an_error_about_another_file_is_not_blamed_on_this_one(old_file: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="texture"), atomic_write(old_file):
        (tmp_path / "texture.png").read_bytes()
    assert old_file.read_bytes() == b"old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_while_writing_keeps_the_old_file(old_file: Path) -> None:
    with pytest.raises(InputError, match="the disk is full"), atomic_write(old_file):
        Path("/dev/full").write_bytes(b"x" * 10_000)
    assert old_file.read_bytes() == b"old"
