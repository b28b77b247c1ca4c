"""Files are whole or absent, whatever happens to the writer: an exception, a kill, a full disk, a closed folder."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from smallmix.atomic_files import (
    TEMPORARY_PREFIX,
    atomic_writer,
    copy_file,
    remove_stale_temporaries,
    write_bytes,
    write_text,
)
from smallmix.errors import SmallmixError, TrainingError

PACKAGE_PARENT = Path(__file__).resolve().parents[3] / "workflow"


def in_another_process(code: str) -> subprocess.CompletedProcess[str]:
    """Run some code that may be killed or limited."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_PARENT)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def names(folder: Path) -> list[str]:
    """Return what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_writes_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "file.txt"
    write_text(path, "één\r\n")
    assert path.read_bytes() == "één\r\n".encode()
    write_bytes(path, b"other")
    assert path.read_bytes() == b"other"
    assert names(path.parent) == ["file.txt"]


def test_has_the_usual_permissions_rather_than_a_temporary_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "file", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_copies(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"z" * 3_000_000)
    copy_file(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == (tmp_path / "source").read_bytes()
    with pytest.raises(SmallmixError):
        copy_file(tmp_path / "absent", tmp_path / "target")
    assert (tmp_path / "target").stat().st_size == 3_000_000


def test_an_exception_inside_keeps_the_old_file_and_is_not_disguised(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def stop_halfway() -> None:
        with atomic_writer(path) as stream:
            stream.write(b"half")
            raise TrainingError("stop")

    with pytest.raises(TrainingError, match="stop"):
        stop_halfway()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("moment", ["replace", "fsync", "fchmod"])
def test_a_kill_before_the_replacement_keeps_the_old_file(moment: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    done = in_another_process(
        "import os, signal\nfrom pathlib import Path\nfrom smallmix import atomic_files\n"
        f"os.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"atomic_files.write_bytes(Path({str(path)!r}), b'new')\n"
    )
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    left = [name for name in names(tmp_path) if name != "file"]
    assert len(left) == 1
    assert left[0].startswith(TEMPORARY_PREFIX)
    assert remove_stale_temporaries(tmp_path) == []  # young: perhaps somebody's who still writes
    assert [removed.name for removed in remove_stale_temporaries(tmp_path, 0)] == left
    assert names(tmp_path) == ["file"]


def test_a_kill_after_the_replacement_leaves_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    in_another_process(
        "import os, signal\nfrom pathlib import Path\nfrom smallmix import atomic_files\n"
        "atomic_files.flush_folder = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"atomic_files.write_bytes(Path({str(path)!r}), b'new')\n"
    )
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


def test_a_full_disk_is_named_and_keeps_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the full disk: the same failing write, halfway."""
    path = tmp_path / "file"
    write_bytes(path, b"old")
    done = in_another_process(
        "import resource\nfrom pathlib import Path\nfrom smallmix.atomic_files import write_bytes\n"
        "from smallmix.errors import SmallmixError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        f"try:\n    write_bytes(Path({str(path)!r}), b'x' * 100_000)\n"
        "except SmallmixError as error:\n    print(error)\n"
    )
    assert done.returncode == 0, done.stderr
    assert "no space left" in done.stdout
    assert str(path) in done.stdout
    assert "bytes free" in done.stdout
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_folder_that_cannot_be_written_is_reported(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated, because the administrator may write everywhere."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(SmallmixError, match=f"Make the folder {tmp_path} writable"):
        write_bytes(tmp_path / "file", b"x")


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_read_only_folder_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o500)
    with pytest.raises(SmallmixError, match="writable"):
        write_bytes(folder / "file", b"x")


def test_a_file_where_a_folder_should_be_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(SmallmixError, match="cannot write"):
        write_bytes(tmp_path / "file" / "inside", b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SmallmixError, match="cannot write"):
        write_bytes(tmp_path / "folder", b"x")
    assert names(tmp_path) == ["file", "folder"]


def test_only_old_temporaries_are_stale(tmp_path: Path) -> None:
    old, young, link = (tmp_path / f"{TEMPORARY_PREFIX}{name}" for name in ("old", "young", "link"))
    kept = tmp_path / "partial-but-mine"
    for path in (old, young, kept):
        path.write_bytes(b"x")
        if path != young:
            os.utime(path, (time.time() - 90_000, time.time() - 90_000))
    link.symlink_to(kept)
    assert remove_stale_temporaries(tmp_path) == [old]
    assert names(tmp_path) == sorted(path.name for path in (young, link, kept))
    assert remove_stale_temporaries(tmp_path / "absent") == []
