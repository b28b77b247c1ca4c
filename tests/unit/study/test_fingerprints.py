"""Fingerprints of code change with its meaning and only with it, and cover exactly what is imported."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from smallmix import code_fingerprint, fingerprints
from smallmix.code_fingerprint import FOR_PEOPLE, PACKAGE_FOLDER, fingerprint_code, import_closure
from smallmix.fingerprints import canonical_json, fingerprint_value

CODE = '''"""What it does."""

from smallmix.below import half


def double(value: int) -> int:
    """Twice the value."""
    # a comment
    if value < 0:
        raise ValueError("too small")
    return value * 2
'''
EditCode = Callable[[str, str], str]


@pytest.fixture
def fingerprint_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EditCode]:
    """The fingerprint of a small package of two modules after one replacement in either of them."""
    monkeypatch.setattr(code_fingerprint, "PACKAGE_FOLDER", tmp_path)

    def clear() -> None:
        for cached in ("fingerprint_code", "_meanings", "_module_file", "_imports_of"):
            getattr(code_fingerprint, cached).cache_clear()

    def edit(old: str = "", new: str = "") -> str:
        files = {"__init__.py": '"""Package."""\n', "above.py": CODE, "below.py": "def half(x):\n    return x / 2\n"}
        files["unused.py"] = "x = 1\n"
        assert any(old in text for text in files.values())
        for name, text in files.items():
            (tmp_path / name).write_text(text.replace(old, new) if old else text, encoding="utf-8")
        clear()
        return fingerprint_code("smallmix.above")

    yield edit
    clear()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# another comment"),
        ("    # a comment\n", ""),
        ("Twice the value.", "The value, doubled."),
        ('    """Twice the value."""\n', ""),
        ("What it does.", "What else it does."),
        ("too small", "too little"),
        ("value * 2", "(value\n        * 2)"),
        ("\n\n\ndef double", "\ndef double"),
        ("x = 1", "x = 2"),  # a module that nothing here imports
    ],
)
def test_comments_docstrings_and_layout_do_not_count(fingerprint_after: EditCode, old: str, new: str) -> None:
    assert fingerprint_after(old, new) == fingerprint_after("", "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("value * 2", "value * 3"),
        ("value * 2", "value * 2.0"),
        ("value * 2", "2 * value"),
        ("value < 0", "value < 1"),
        ("ValueError(", "TypeError("),
        ("def double", "def twice"),
        ("x / 2", "x // 2"),  # in the module below
        ("import half", "import half as other"),
        ("-> int", "-> float"),
        ("return value * 2", "return None"),
        ("from smallmix.below import half\n", ""),
    ],
)
def test_every_change_of_meaning_counts(fingerprint_after: EditCode, old: str, new: str) -> None:
    assert fingerprint_after(old, new) != fingerprint_after("", "")


def test_is_stable_and_short(fingerprint_after: EditCode) -> None:
    assert fingerprint_after("", "") == fingerprint_after("", "")
    assert len(fingerprint_after("", "")) == 16


def modules() -> list[str]:
    """Every module of the package."""
    names = []
    for path in sorted(PACKAGE_FOLDER.rglob("*.py")):
        parts = path.relative_to(PACKAGE_FOLDER.parent).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def test_the_hashed_modules_are_the_imported_ones() -> None:
    """The list is read from the code; this compares it with what Python really imports, errors apart."""
    module = "smallmix.study.configuration"
    code = f"import json, sys, {module}; print(json.dumps([n for n in sys.modules if n.split('.')[0] == 'smallmix']))"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_FOLDER.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)) - FOR_PEOPLE == import_closure([module])


def test_no_module_imports_relatively() -> None:
    """Relative imports would not be seen by the closure."""
    for path in PACKAGE_FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path


def test_training_does_not_depend_on_figures_or_the_command_line() -> None:
    """Editing a figure must not retrain anything."""
    rooms = {name.split(".")[1] for name in import_closure(["smallmix.study.configuration"]) if "." in name}
    assert rooms <= {"study", "errors", "fingerprints", "code_fingerprint", "atomic_files"}


def test_the_study_floor_is_light() -> None:
    """It is imported at every start of the workflow: no torch, no pandas, no numpy."""
    code = "import sys, smallmix.study.configuration, smallmix.study.published; print(sorted(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_FOLDER.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "pandas", "seaborn", "scipy"} & set(ast.literal_eval(done.stdout))


def test_values_have_one_text() -> None:
    assert canonical_json({"b": [1, 2.5], "a": "ä"}) == '{"a":"\\u00e4","b":[1,2.5]}'
    assert fingerprint_value({"a": 1, "b": 2}) == fingerprint_value({"b": 2, "a": 1})
    assert fingerprint_value({"a": 1}) != fingerprint_value({"a": 1.5})
    with pytest.raises(ValueError, match="Out of range float values"):
        canonical_json(float("nan"))


def test_files_are_known_by_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert fingerprints.fingerprint_file(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
