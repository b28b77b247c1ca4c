"""The cache of parsed modules saves time and never decides anything: what it says is what parsing says."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from smallmix import code_fingerprint
from smallmix.code_fingerprint import CACHE_NAME, MeaningCache, ModuleMeaning, read_meaning

SOURCE = b"import json\nfrom smallmix.study import cell, layout\n\n\ndef half(x):\n    return x / 2\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of one module, whose cache may be written."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    (tmp_path / "module.py").write_bytes(SOURCE)
    return tmp_path


def cache_file(package: Path) -> Path:
    return package / "__pycache__" / CACHE_NAME


def ask(package: Path) -> ModuleMeaning:
    """As a process of its own asks."""
    cache = MeaningCache(package)
    meaning = cache.meaning_of(package / "module.py")
    cache.keep()
    return meaning


def forbid_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: bytes) -> ModuleMeaning:
        raise AssertionError("parsed once more")

    monkeypatch.setattr(code_fingerprint, "read_meaning", refuse)


def test_a_source_is_parsed_once(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ask(package)
    forbid_parsing(monkeypatch)
    assert ask(package) == first == read_meaning(SOURCE)
    assert first.imports == (("json", ""), ("smallmix.study", "cell"), ("smallmix.study", "layout"))


def test_other_bytes_are_parsed_whatever_their_time(package: Path) -> None:
    module = package / "module.py"
    before, time = ask(package), module.stat().st_mtime_ns
    module.write_bytes(SOURCE.replace(b"x / 2", b"x * 2"))
    os.utime(module, ns=(time, time))
    assert ask(package) == read_meaning(module.read_bytes()) != before


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        "null",
        '{"reader": "another", "modules": {"module.py": 1}}',
        '{"modules": []}',
    ],
)
def test_a_damaged_cache_is_no_cache(package: Path, content: str) -> None:
    wanted = ask(package)
    cache_file(package).write_text(content, encoding="ascii")
    assert ask(package) == wanted
    assert json.loads(cache_file(package).read_text(encoding="ascii"))["modules"]["module.py"]


@pytest.mark.parametrize("entry", [None, 1, {}, {"source": None}, "same source, no imports"])
def test_a_damaged_entry_is_read_anew(package: Path, entry: object) -> None:
    wanted = ask(package)
    content = json.loads(cache_file(package).read_text(encoding="ascii"))
    good = content["modules"]["module.py"]
    content["modules"]["module.py"] = {"source": good["source"], "meaning": 5} if isinstance(entry, str) else entry
    cache_file(package).write_text(json.dumps(content), encoding="ascii")
    assert ask(package) == wanted


def test_a_folder_that_cannot_be_written_costs_time_only(package: Path) -> None:
    (package / "__pycache__").write_text("a file where the folder should be", encoding="ascii")
    assert ask(package) == ask(package) == read_meaning(SOURCE)


def test_nothing_is_written_where_python_itself_must_not(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert ask(package) == read_meaning(SOURCE)
    assert not cache_file(package).exists()
