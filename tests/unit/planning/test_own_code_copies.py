"""A copy of the user's code that means something else than the file is known, whatever Snakemake has on record."""

from __future__ import annotations

from pathlib import Path

import pytest
from smallmix.planning.own_code_copies import copies_of, outdated_copies
from smallmix.study.layout import Layout
from smallmix.study.study import Study

from tests.synthetic_configuration import build_configuration

CODE = "class Mine:\n    half = 1\n"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return the paths of a study with a method of the user's, which was copied."""
    (tmp_path / "mine.py").write_text(CODE, encoding="utf-8")
    methods = {"mine": {"mix": f"{tmp_path}/mine.py:Mine", "beta": None}}
    configuration = build_configuration(sizes=(50,), seeds=(0,), methods=methods)
    layout = Layout(Study.from_configuration(configuration), tmp_path)
    (copy,) = copies_of(layout)
    copy.parent.mkdir(parents=True)
    copy.write_text(CODE, encoding="utf-8")
    return layout


def test_a_remark_is_no_other_meaning_and_an_edit_is(layout: Layout, tmp_path: Path) -> None:
    copy, file = next(iter(copies_of(layout))), tmp_path / "mine.py"
    assert (copy, outdated_copies(layout)) == (tmp_path / "results/synthetic/own_code/mine.py", [])
    file.write_text(f"# A remark.\n{CODE}", encoding="utf-8")
    assert outdated_copies(layout) == []
    file.write_text(CODE.replace("1", "2"), encoding="utf-8")
    assert outdated_copies(layout) == [copy]


@pytest.mark.parametrize("text", ["class Mine(:\n", "half = '\0'\n", ""])
def test_a_damaged_copy_is_outdated(layout: Layout, text: str) -> None:
    (copy,) = copies_of(layout)
    copy.write_text(text, encoding="utf-8")
    assert outdated_copies(layout) == [copy]


def test_a_copy_that_is_not_there_is_made_anyway(layout: Layout) -> None:
    (copy,) = copies_of(layout)
    copy.unlink()
    assert outdated_copies(layout) == []
