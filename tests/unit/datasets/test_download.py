"""Protects downloads: resumed where they stopped, never trusted before the hash, and clear about what was tried."""

from __future__ import annotations

import errno
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from smallmix.datasets.download import DownloadLimits, ExpectedFile, download
from smallmix.datasets.progress import Progress
from smallmix.errors import DatasetError

CONTENT = np.random.default_rng(0).bytes(300_000)
FILE = ExpectedFile("images.tar.gz", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
ADVICE = "Place it by hand"
QUICK = DownloadLimits(stall_seconds=0.3, least_bytes=1000, attempts=2, pause_seconds=0)
Serve = Callable[[bytes], Any]


LOCK = f".{FILE.name}.lock"


def fetch(folder: Path, *sources: str, limits: DownloadLimits = QUICK) -> Path:
    return download(sources, folder, FILE, ADVICE, limits)


def files_in(folder: Path) -> list[str]:
    """The names in a folder apart from the lock, which stays: removing it would let two processes in."""
    return sorted(path.name for path in folder.iterdir() if path.name != LOCK)


@pytest.mark.parametrize("manners", ["good", "ignores-range", "redirect", "cut"])
def test_the_file_arrives_whole(serve: Serve, tmp_path: Path, manners: str) -> None:
    server = serve(CONTENT)
    path = fetch(tmp_path / "new" / "downloads", server.address(manners))
    assert path.read_bytes() == CONTENT
    assert files_in(path.parent) == [FILE.name]


def test_a_cut_connection_is_continued_where_it_stopped(serve: Serve, tmp_path: Path) -> None:
    server = serve(CONTENT)
    fetch(tmp_path, server.address("cut"))
    third = len(CONTENT) // 3
    assert server.requests == [("cut", None), ("cut", f"bytes={third}-"), ("cut", f"bytes={2 * third}-")]


def test_a_part_left_by_an_earlier_run_is_continued(serve: Serve, tmp_path: Path) -> None:
    server = serve(CONTENT)
    (tmp_path / f"{FILE.name}.partial").write_bytes(CONTENT[:1000])
    assert fetch(tmp_path, server.address("good")).read_bytes() == CONTENT
    assert server.requests == [("good", "bytes=1000-")]


@pytest.mark.parametrize("manners", ["ignores-range", "refuses-range", "other-range"])
def test_a_server_without_ranges_delivers_from_the_start(serve: Serve, tmp_path: Path, manners: str) -> None:
    (tmp_path / f"{FILE.name}.partial").write_bytes(CONTENT[:1000])
    assert fetch(tmp_path, serve(CONTENT).address(manners)).read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"x" * 1000, b"x" * len(CONTENT), CONTENT + b"x"])
def test_a_part_that_does_not_fit_is_thrown_away(serve: Serve, tmp_path: Path, part: bytes) -> None:
    (tmp_path / f"{FILE.name}.partial").write_bytes(part)
    assert fetch(tmp_path, serve(CONTENT).address("good")).read_bytes() == CONTENT


@pytest.mark.parametrize("manners", ["page", "short", "404", "503"])
def test_an_answer_that_is_not_the_file_costs_nothing_of_what_has_arrived(
    serve: Serve, tmp_path: Path, manners: str
) -> None:
    part = tmp_path / f"{FILE.name}.partial"
    part.write_bytes(CONTENT[:1000])
    with pytest.raises(DatasetError):
        fetch(tmp_path, serve(CONTENT).address(manners))
    assert part.read_bytes() == CONTENT[:1000]


def test_a_complete_part_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / f"{FILE.name}.partial").write_bytes(CONTENT)
    assert fetch(tmp_path, "http://127.0.0.1:9/unreachable").read_bytes() == CONTENT


def test_a_kept_download_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / FILE.name).write_bytes(CONTENT)
    assert fetch(tmp_path) == tmp_path / FILE.name


def test_a_kept_download_of_other_content_is_fetched_again(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / FILE.name).write_bytes(b"x" * len(CONTENT))
    assert fetch(tmp_path, serve(CONTENT).address("good")).read_bytes() == CONTENT
    assert "is not the expected file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("manners", "reason"),
    [
        ("404", "HTTP 404"),
        ("403", "HTTP 403"),
        ("503", "HTTP 503"),
        ("wrong", "wrong sha256"),
        ("short", "offers a file of 299,999 bytes, not of 300,000"),
        ("long", "offers a file of 300,001 bytes"),
        ("endless", "sends more than 300,000 bytes"),
        ("no-progress", "cut off after 0 of 300,000 bytes"),
        ("stall", "stalled"),
        ("trickle", "stalled"),
    ],
)
def test_a_bad_source_gives_way_to_the_next_and_is_named(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str], manners: str, reason: str
) -> None:
    server = serve(CONTENT)
    assert fetch(tmp_path, server.address(manners), server.address("good")).read_bytes() == CONTENT
    message = capsys.readouterr().err
    assert server.address(manners) in message
    assert reason in message


def test_after_the_last_source_one_message_lists_all(serve: Serve, tmp_path: Path) -> None:
    server = serve(CONTENT)
    sources = [server.address("404"), server.address("wrong"), "http://127.0.0.1:9/x", "file:///etc/hosts", "nonsense"]
    with pytest.raises(DatasetError) as caught:
        fetch(tmp_path, *sources)
    message = str(caught.value)
    assert all(source in message for source in sources)
    for part in (
        "HTTP 404",
        "wrong sha256",
        "no connection",
        "is a file of",
        "is not an http or https address",
        ADVICE,
        FILE.sha256,
    ):
        assert part in message
    assert files_in(tmp_path) == [], "neither a wrong file nor an empty part is left"


def test_passing_troubles_are_tried_again_and_lasting_ones_not(serve: Serve, tmp_path: Path) -> None:
    server = serve(CONTENT)
    with pytest.raises(DatasetError):
        fetch(tmp_path, server.address("503"), server.address("404"))
    assert [manners for manners, _ in server.requests] == ["503", "503", "404"]


def test_no_source_at_all_says_how_to_place_the_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=rf"no address.*{ADVICE}.*{FILE.sha256}"):
        fetch(tmp_path)


def test_a_name_that_does_not_resolve_is_no_connection(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no connection"):
        fetch(tmp_path, "http://no-such-host.invalid/x")


def test_too_little_space_is_reported_before_anything_is_asked(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(CONTENT)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1234})())
    with pytest.raises(DatasetError, match="300,000 bytes are needed, 1,234 are free"):
        fetch(tmp_path, server.address("good"))
    assert server.requests == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_disk_that_fills_up_on_the_way_ends_with_a_message(serve: Serve, tmp_path: Path) -> None:
    server = serve(CONTENT)
    (tmp_path / f"{FILE.name}.partial").symlink_to("/dev/full")
    with pytest.raises(DatasetError, match=r"No space left on device.*free some space"):
        fetch(tmp_path, server.address("good"), server.address("good"))
    assert len(server.requests) == 1, "no other address is asked: the error is here"


def test_two_downloads_of_one_file_do_not_mix(serve: Serve, tmp_path: Path) -> None:
    server = serve(CONTENT)
    with FileLock(tmp_path / LOCK), pytest.raises(DatasetError, match="another process is downloading"):
        fetch(tmp_path, server.address("good"))
    assert server.requests == []
    assert fetch(tmp_path, server.address("good")).read_bytes() == CONTENT


def test_a_file_that_another_process_finishes_meanwhile_is_taken(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, acquire = serve(CONTENT), FileLock.acquire

    def acquire_late(lock: FileLock, **options: Any) -> Any:
        (tmp_path / FILE.name).write_bytes(CONTENT)
        return acquire(lock, **options)

    monkeypatch.setattr(FileLock, "acquire", acquire_late)
    assert fetch(tmp_path, server.address("good")).read_bytes() == CONTENT
    assert server.requests == []


@pytest.mark.parametrize("reason", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_no_reason_to_stop(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(reason, "no locks here")

    monkeypatch.setattr("fcntl.flock", refuse)
    (tmp_path / LOCK).write_bytes(b"")  # as a killed download leaves it
    assert fetch(tmp_path, serve(CONTENT).address("good")).read_bytes() == CONTENT


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DatasetError, match=rf"cannot write .*images\.tar\.gz\.partial: .*{ADVICE}"):
        fetch(tmp_path / "file", "http://127.0.0.1:9/x")


def test_progress_says_how_far_and_how_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 6.0, 7.0, 12.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    stream = io.StringIO()
    progress = Progress("archive", 100_000_000, "MB", scale=1e6, stream=stream)
    for done in (0, 24_000_000, 25_000_000, 60_000_000):
        progress.show(done)
    progress.close()
    assert stream.getvalue().splitlines() == [
        "archive: 24.0 of 100.0 MB (24 %), 4.0 MB/s, 19 s left",
        "archive: 60.0 of 100.0 MB (60 %), 5.0 MB/s, 8 s left",
    ]
