"""Every entry of the catalogue of bad configurations is refused with one message: full key, what was found, the remedy.

The catalogue is data (bad_configs/*.yaml), so that a new way of getting it wrong costs one line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from smallmix.errors import ConfigurationError
from smallmix.study.configuration import load_configuration, resolve_configuration

PROJECT = Path(__file__).resolve().parents[3]
CATALOGUE = [
    (f"{path.stem}: {entry['name']}", entry)
    for path in sorted((Path(__file__).parent / "bad_configs").glob("*.yaml"))
    for entry in yaml.safe_load(path.read_text(encoding="utf-8"))
]


def edited_text(entry: dict[str, Any]) -> str:
    """config.yaml with the entry's changes, each of which must have something to change."""
    text = (PROJECT / "config.yaml").read_text(encoding="utf-8")
    edits = entry.get("edit", [])
    for old, new in zip(edits[::2], edits[1::2], strict=True):
        assert old in text, f"nothing to change: {old}"
        text = text.replace(old, new.replace("SEEDS", ", ".join(map(str, range(9_999)))), 1)
    return text


def refusal(entry: dict[str, Any], folder: Path) -> str:
    """The message with which an entry is refused."""
    base = folder / "config.yaml"
    base.write_text(entry["whole"] if "whole" in entry else edited_text(entry), encoding="utf-8")
    files = [base]
    if "overlay" in entry:
        files.append(folder / "overlay.yaml")
        files[1].write_text(entry["overlay"], encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(files, entry.get("overrides", {}))
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize("entry", [pytest.param(entry, id=name) for name, entry in CATALOGUE])
def test_is_refused_with_key_and_remedy(entry: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    message = refusal(entry, tmp_path)
    lines = message.splitlines()
    for key in entry["keys"]:
        assert any(line.startswith((f"  - {key}:", f"  - {key} (")) for line in lines), f"no line on {key}:\n{message}"
    for words in entry["says"]:
        assert words in message, f"{words!r} not in:\n{message}"
    assert len(message) < 5_000
    assert "Traceback" not in message
    assert "additionalProperties" not in message


def test_the_catalogue_is_long_and_its_names_are_unique() -> None:
    names = [name for name, _ in CATALOGUE]
    assert len(names) == len(set(names))
    assert len(names) >= 60


@pytest.mark.parametrize("count", [1, 2])
def test_one_problem_is_reported_once(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A YAML trap in a key is seen by the strict reader and by the check of values: people read it once."""
    monkeypatch.chdir(PROJECT)
    edits = ["  non: ", "  no: ", "momentum: 0.9", "momentum: 9"][: 2 * count]
    message = refusal({"edit": edits}, tmp_path)
    assert message.count("\n  - ") == count
    assert message.startswith(f"The configuration has {'one problem' if count == 1 else '2 problems'}:")


def test_merged_values_alone_are_judged_too() -> None:
    """What a workflow engine hands over, without its files: keys that are false, None, dates or fractions."""
    import datetime

    merged = {False: 1, None: 2, 1.5: 3, datetime.date(2024, 5, 1): 4, "study": datetime.date(2024, 5, 1)}
    with pytest.raises(ConfigurationError) as caught:
        resolve_configuration(merged)  # type: ignore[arg-type]
    for words in ("false:", "null:", "1.5:", "2024-05-01:", "study: found 2024-05-01 (a date)"):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "a: *x", "\x00", "a: [" * 3000, "? {}\n: 1", "%YAML 9.9\n---\na: 1", "a: 0x", "'"]
)
def test_any_text_is_refused_without_a_traceback(text: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"odd\.yaml|is missing"):
        load_configuration([path])


def test_files_that_are_no_texts_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"study: caf\xe9\n")
    (tmp_path / "large.yaml").write_bytes(b"#" * 2_000_000)
    for path, words in (
        (tmp_path / "latin.yaml", "save it as UTF-8"),
        (tmp_path / "large.yaml", "larger than"),
        (tmp_path / "absent.yaml", "no such file"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            load_configuration([path])
