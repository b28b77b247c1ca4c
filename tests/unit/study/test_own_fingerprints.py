"""Which cells an edit of a user's file makes others: those of its methods, by its meaning and what it builds on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from smallmix import code_fingerprint
from smallmix.code_fingerprint import fingerprint_training
from smallmix.study.cell import Cell, MethodValue, ModelValue
from smallmix.study.own_trials import Trial, tried_of

from tests.tiny_cell import tiny_cell

METHOD = "from smallmix.science.methods.cutmix import CutMix\n\n\nclass Mine(CutMix):\n    half = 1\n"
NETWORK = "def build(channels, classes):\n    return None\n"


def cell_of(folder: Path, method: str = METHOD, network: str | None = None) -> Cell:
    """Return a cell whose method, and network if one is given, lie in files of the user's."""
    folder.mkdir(exist_ok=True)
    (folder / "my_method.py").write_text(method, encoding="utf-8")
    own = MethodValue("my_method.py:Mine", (1.0, 1.0), file=str(folder / "my_method.py"))
    cell = dataclasses.replace(tiny_cell(), method=own)
    if network is None:
        return cell
    (folder / "my_network.py").write_text(network, encoding="utf-8")
    built = ModelValue("my_network.py:build", 0, (), file=str(folder / "my_network.py"))
    return dataclasses.replace(cell, model=built)


def test_meaning_counts_and_the_folder_does_not(tmp_path: Path) -> None:
    before = cell_of(tmp_path / "one")
    remark = cell_of(tmp_path / "two", f'"""A method."""\n# A remark.\n{METHOD}')
    edited = cell_of(tmp_path / "three", METHOD.replace("half = 1", "half = 2"))
    assert before == remark == edited, "where a file lies is no part of the value"
    assert fingerprint_training(before) == fingerprint_training(remark)
    assert fingerprint_training(before) != fingerprint_training(edited)


def test_a_file_that_builds_on_a_method_of_ours_follows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = cell_of(tmp_path)
    before = fingerprint_training(cell)
    original = code_fingerprint.fingerprint_code

    def with_another_cutmix(*modules: str) -> str:
        changed = "" if "smallmix.science.methods.cutmix" not in modules else " changed"
        return original(*modules) + changed

    monkeypatch.setattr(code_fingerprint, "fingerprint_code", with_another_cutmix)
    assert fingerprint_training(cell) != before


def test_what_is_tried_of_a_file_does_not_change_with_another_file_or_another_batch_size(tmp_path: Path) -> None:
    whole = Trial(("own",), cell_of(tmp_path / "one", network=NETWORK), (8, 4))
    other_method = Trial(("own",), cell_of(tmp_path / "two", METHOD + "    more = 1\n", NETWORK), (8, 3))
    network, method = (str(tmp_path / "one" / name) for name in ("my_network.py", "my_method.py"))
    assert len(tried_of([whole], network)) == len(tried_of([whole], method)) == 1
    assert tried_of([whole], network) == tried_of([other_method], str(tmp_path / "two" / "my_network.py"))
    assert tried_of([whole], method) != tried_of([other_method], str(tmp_path / "two" / "my_method.py"))
    assert whole.fingerprint != dataclasses.replace(whole, batch_sizes=(8,)).fingerprint
