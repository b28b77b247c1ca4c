"""A class or function that a user's file lacks is named where the configuration names it, with what the file has."""

from __future__ import annotations

from pathlib import Path

import pytest
from smallmix.errors import ConfigurationError
from smallmix.own_code import load_own
from smallmix.study.configuration import load_study
from smallmix.study.study import Study

from tests.documentation_pages import PROJECT

SOURCE = "import numpy as np\n\n\ndef helper():\n    pass\n\n\nclass Other:\n    pass\n\n\nclass Mine:\n    pass\n"
STUDY = """\
study: tiny
dataset: {name: digits}
subsets: {sizes: [20], rule: balanced, redraw_per_seed: true}
methods:
  own:
    mix: my_method.py:NAME
model: {name: convnet, width: 8}
recipe: {augmentation: {crop_padding: 1, flip: false}}
evaluation: {iteration_budgets: {every: 20}, clean_train_limit: 20}
budgets: {default: {iterations: 100}, 500: ~, 250: ~, 100: ~}
published: ~
"""


def load(folder: Path, name: str, source: str, more: str = "") -> Study:
    """Return the study whose method is a class of that name in a file of this source."""
    (folder / "my_method.py").write_text(source, encoding="utf-8")
    (folder / "tiny.yaml").write_text(STUDY.replace("NAME", name) + more, encoding="utf-8")
    return load_study([PROJECT / "config.yaml", folder / "tiny.yaml"])


def test_a_misspelled_name_is_said_with_its_line_and_the_near_name_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, "Mny", SOURCE)
    said = str(caught.value)
    assert f"methods.own.mix ({tmp_path}/tiny.yaml, line 6): {tmp_path}/my_method.py defines no Mny" in said
    assert "it defines Mine, helper, Other; write one of these, or define Mny" in said


def test_all_misspelled_names_are_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "my_metric.py").write_text("def measure(logits, labels):\n    return 1\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, "Mny", SOURCE, "metrics: {mine: my_metric.py:mesure}\n")
    assert "has 2 problems" in str(caught.value)
    assert f"metrics.mine ({tmp_path}/tiny.yaml, line 12): {tmp_path}/my_metric.py defines no mesure" in str(
        caught.value
    )


@pytest.mark.parametrize(
    "source",
    [
        "import elsewhere as Mny\n",
        "from elsewhere import *\n",
        "if True:\n    class Mny: pass\n",
        "for Mny in (1,): pass\n",
        "globals()['M' + 'ny'] = 3\n",
        "def __getattr__(name):\n    return 3\n",
        "def make():\n    global Mny\n    Mny = 3\n",
    ],
)
def test_a_name_that_running_the_file_may_give_is_left_to_that(tmp_path: Path, source: str) -> None:
    assert load(tmp_path, "Mny", source).own_code == (f"{tmp_path}/my_method.py",)


def test_a_file_without_a_definition_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="defines no Mny; it defines no class and no function; define Mny"):
        load(tmp_path, "Mny", "SHARE = 0.5\n")


def test_a_name_that_is_missed_as_the_file_runs_is_said_with_those_there_are(tmp_path: Path) -> None:
    file = tmp_path / "my_method.py"
    file.write_text(SOURCE, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_own("my_method.py:Mny", str(file))
    assert str(caught.value) == (
        f"{file}: it defines no Mny, which my_method.py:Mny names. It defines Mine, helper, Other. Write one of these, "
        "or define Mny."
    )


@pytest.mark.parametrize(
    ("line", "beside"),
    [
        ("import neighbour", "neighbour.py"),
        ("from neighbour import share", "neighbour.py"),
        ("import folder.inside", "folder"),
        ("from . import neighbour", "another file"),
    ],
)
def test_an_import_of_a_file_beside_it_says_the_rule(tmp_path: Path, line: str, beside: str) -> None:
    (tmp_path / "neighbour.py").write_text("share = 1\n", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside.py").write_text("share = 1\n", encoding="utf-8")
    file = tmp_path / "my_method.py"
    file.write_text(f"import math\n\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_own("my_method.py:Mine", str(file))
    said = str(caught.value)
    assert said.startswith(f"{file}, line 3: ")
    assert f"one file stands alone: it may import installed packages, and not {beside} beside it" in said


def test_an_import_of_a_package_that_is_not_installed_says_so(tmp_path: Path) -> None:
    file = tmp_path / "my_method.py"
    file.write_text("import no_such_library.part\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_own("my_method.py:Mine", str(file))
    assert "one file stands alone: it may import installed packages, and no_such_library is none" in str(caught.value)
