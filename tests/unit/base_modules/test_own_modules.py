"""Files of the user's are modules of their own, also where two of one name lie in different folders."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import get_type_hints

import pytest
from smallmix.errors import ConfigurationError
from smallmix.own_code import load_own

# Annotations are texts here. Whoever asks for their meaning looks it up in the module of the class, by its name.
NOTED = """\
from __future__ import annotations

from dataclasses import dataclass

Share = {share}


@dataclass(frozen=True)
class Noted:
    share: Share
"""


def write_noted(folder: Path, share: str) -> str:
    """Write a file of the one name, whose class has a field of the type `share`; return its path."""
    folder.mkdir()
    file = folder / "mine.py"
    file.write_text(NOTED.format(share=share), encoding="utf-8")
    return str(file)


def test_two_files_of_one_name_do_not_pass_for_each_other(tmp_path: Path) -> None:
    first = load_own("mine.py:Noted", write_noted(tmp_path / "one", "float"))
    second = load_own("mine.py:Noted", write_noted(tmp_path / "two", "int"))
    assert first.__module__ != second.__module__
    for kind, share in ((first, float), (second, int)):
        assert get_type_hints(kind)["share"] is share
        assert type(pickle.loads(pickle.dumps(kind(share(1))))) is kind


def test_a_file_is_run_once_by_whatever_path_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_noted(tmp_path / "one", "float")
    monkeypatch.chdir(tmp_path)
    assert load_own("mine.py:Noted", file) is load_own("mine.py:Noted", "one/mine.py")


def test_a_file_that_fails_leaves_no_module_behind(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("half = 1\nraise ValueError('no')\n", encoding="utf-8")
    before = set(sys.modules)
    with pytest.raises(ConfigurationError, match=r"mine\.py, line 2: ValueError: no\. Correct that file"):
        load_own("mine.py:half", str(file))
    assert {name for name in set(sys.modules) - before if "mine" in name} == set()
