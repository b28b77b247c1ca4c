"""Protects file:// addresses as sources: read like a download, verified like one, and nothing but plain files."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from smallmix.errors import DatasetError

from tests.unit.datasets.test_download import ADVICE, CONTENT, FILE, Serve, fetch, files_in


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A file of the expected content, under a name that an address must not take apart."""
    path = tmp_path / "the archive #1?.tar.gz"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("start", ["file://", "FILE://", "file://localhost"])
def test_a_file_is_copied_and_verified(there: Path, tmp_path: Path, start: str) -> None:
    path = fetch(tmp_path / "downloads", start + quote(str(there)))
    assert path.read_bytes() == CONTENT
    assert there.read_bytes() == CONTENT
    assert files_in(path.parent) == [FILE.name]


def test_hashes_and_question_marks_may_stand_as_they_are(there: Path, tmp_path: Path) -> None:
    assert fetch(tmp_path / "downloads", f"file://{there}").read_bytes() == CONTENT


def test_a_part_that_is_there_is_continued_from_a_file(there: Path, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / f"{FILE.name}.partial").write_bytes(CONTENT[:1000])
    assert fetch(folder, f"file://{there}").read_bytes() == CONTENT


def test_proxies_have_no_say_in_files(there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("http_proxy", "file_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetch(tmp_path / "downloads", f"file://{there}").read_bytes() == CONTENT


def test_a_file_of_the_right_size_and_other_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(len(CONTENT)))
    with pytest.raises(DatasetError, match=r"wrong sha256"):
        fetch(tmp_path / "downloads", f"file://{tmp_path}/x")
    assert files_in(tmp_path / "downloads") == []


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("file:///gone/away", "cannot be read: No such file or directory"),
        ("file://TMP/folder", "cannot be read: Is a directory"),
        ("file://TMP/small", "is a file of 4 bytes, not of 300,000"),
        ("file://TMP/pipe", "is not a regular file"),
        ("file:///dev/zero", "is not a regular file"),
        ("file://TMP/small/x", "cannot be read: Not a directory"),
        ("file://server/share/x", "names the machine 'server'; a file needs its full path"),
        ("file://relative.tar.gz", "names no file; write file:///full/path"),
        ("file:///", "names no file"),
        ("file:///x%00y", "names no file"),
    ],
)
def test_what_cannot_be_read_gives_way_to_the_next_source_and_is_named(
    there: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str, reason: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "small").write_bytes(b"four")
    os.mkfifo(tmp_path / "pipe")
    address = address.replace("TMP", str(tmp_path))
    assert fetch(tmp_path / "downloads", address, f"file://{there}").read_bytes() == CONTENT
    message = capsys.readouterr().err
    assert f"{address}: {reason}" in message
    assert message.count(f"{address}: ") == 1, "what is wrong with a file does not pass by trying again"


def test_after_the_last_source_the_message_names_the_file_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"(?s)file:///gone: cannot be read.*" + ADVICE):
        fetch(tmp_path / "downloads", "file:///gone")


def test_no_server_leads_to_a_file_by_redirection(serve: Serve, there: Path, tmp_path: Path) -> None:
    server = serve(CONTENT)
    server.redirect_to = f"file://{there}"
    with pytest.raises(DatasetError, match=r"redirect"):
        fetch(tmp_path / "downloads", server.address("redirect"))
    assert files_in(tmp_path / "downloads") == []
