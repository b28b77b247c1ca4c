"""A study with methods in files of the user's: they are tried first, and an edit runs only its own cells again."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documentation_pages import DOCS, fenced_blocks
from tests.workflow.own_code_study import HALVES, SIDES, write_study
from tests.workflow.study_run import StudyRun


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> StudyRun:
    """Return a study whose cells are trained."""
    study = write_study(tmp_path_factory.mktemp("own") / "project")
    result = study.snakemake("cells", "--cores", "2")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "yours: mine/halves.py, mine/sides.py" in result.stdout, "the opening line names the user's files"
    return study


@pytest.fixture
def own(trained: StudyRun, tmp_path: Path) -> StudyRun:
    """Return a copy of it, with all times."""
    return trained.copy_to(tmp_path / "project")


def cells(study: StudyRun) -> set[str]:
    """Return the methods whose cell a run would train, as the dry run's table says."""
    result = study.snakemake("cells", "-n", "--cores", "1")
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    table = re.search(r"^cells to \w+ +(.+)\n20 images +(.+)$", output, flags=re.MULTILINE)
    if table is None:
        assert "Nothing to be done" in output or re.search(r"^resolve_study +1$", output, flags=re.MULTILINE), output
        assert "train_cell" not in output
        return set()
    return {method for method, count in zip(table[1].split(), table[2].split(), strict=True) if count == "1"}


def test_a_finished_study_is_left_alone(own: StudyRun) -> None:
    assert own.planned("cells") == {}
    copies = own.folder / "results/tiny/own_code"
    assert {path.name for path in copies.iterdir()} == {"sides.py", "sides.py.json", "halves.py", "halves.py.json"}
    record = json.loads((copies / "halves.py.json").read_text(encoding="utf-8"))
    assert record["tried"][0]["method"]["parameters"] == {"share": 0.75}
    assert record["tried"][0]["batch_sizes"] == [20]
    assert (copies / "sides.py").read_text(encoding="utf-8") == SIDES


def test_a_comment_runs_nothing_again(own: StudyRun) -> None:
    own.edit("mine/sides.py", "class Sides(Method):", 'class Sides(Method):\n    """Sides."""\n\n    # A remark.\n')
    assert own.planned("cells") == {}


def test_an_edited_method_runs_its_own_cells_again(own: StudyRun) -> None:
    own.edit("mine/sides.py", "columns < row", "columns <= row")
    assert own.planned("cells") == {"check_own_code": 1, "train_cell": 1}
    assert cells(own) == {"sides"}


def test_another_parameter_runs_its_own_cells_again(own: StudyRun) -> None:
    own.edit("tiny.yaml", "share: 0.75", "share: 0.5")
    assert cells(own) == {"halves"}


def test_a_moved_file_trains_nothing(own: StudyRun) -> None:
    before = (own.cell("n20/sides/seed0") / "history.csv").read_bytes()
    shutil.move(own.folder / "mine/sides.py", own.folder / "sides.py")
    own.edit("tiny.yaml", "mine/sides.py", "sides.py")
    assert cells(own) == {"sides"}
    own.run("cells")
    assert (own.cell("n20/sides/seed0") / "history.csv").read_bytes() == before
    assert "found in the store" in (own.folder / "logs/tiny/cells/n20/sides/seed0.log").read_text(encoding="utf-8")
    assert own.planned("cells") == {}


def test_a_renamed_class_runs_its_own_cells_again(own: StudyRun) -> None:
    own.edit("mine/sides.py", "class Sides(Method):", "class Edges(Method):")
    own.edit("tiny.yaml", "sides.py:Sides", "sides.py:Edges")
    assert cells(own) == {"sides"}


def test_a_renamed_method_of_the_study_is_found_in_the_store(own: StudyRun) -> None:
    before = (own.cell("n20/sides/seed0") / "history.csv").read_bytes()
    own.edit("tiny.yaml", "  sides: {", "  third: {")
    assert cells(own) == {"third"}
    own.run("cells")
    assert (own.cell("n20/third/seed0") / "history.csv").read_bytes() == before
    assert "found in the store" in (own.folder / "logs/tiny/cells/n20/third/seed0.log").read_text(encoding="utf-8")


def test_an_added_method_runs_its_own_cells_alone(own: StudyRun) -> None:
    (own.folder / "mine/third.py").write_text(HALVES.replace("Halves", "Third"), encoding="utf-8")
    own.edit("tiny.yaml", "  halves:", "  third: {mix: mine/third.py:Third, parameters: {share: 0.9}}\n  halves:")
    assert cells(own) == {"third"}


def test_a_removed_method_runs_no_cell(own: StudyRun) -> None:
    own.edit("tiny.yaml", "  halves: {mix: mine/halves.py:Halves, parameters: {share: 0.75}}\n", "")
    assert cells(own) == set()
    own.edit("tiny.yaml", "  sides: {mix: mine/sides.py:Sides}\n", "  data-mix: ~\n")
    text = (
        (own.folder / "tiny.yaml")
        .read_text(encoding="utf-8")
        .replace("  data-mix: ~\n  label-mix: ~", "  label-mix: ~")
    )
    (own.folder / "tiny.yaml").write_text(text, encoding="utf-8")
    assert cells(own) == set()


def smallmix(study: StudyRun, *arguments: str) -> str:
    """Run a command in the study's project; return what it printed."""
    done = subprocess.run(
        [sys.executable, "workflow", *arguments], cwd=study.folder, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_edit_beside_copied_results_trains_by_the_edited_file(own: StudyRun) -> None:
    """Snakemake has no record of the copy in results/, so it would not make it again by itself."""
    shutil.rmtree(own.folder / ".snakemake")
    own.edit("mine/sides.py", "columns < row", "columns <= row")
    refused = own.snakemake("cells", "-n", "--cores", "1")
    assert "results/tiny/cells/n20/sides/seed0/metrics.json" in refused.stdout + refused.stderr
    smallmix(own, "discard", "tiny.yaml")
    own.run("cells")
    assert "columns <= row" in (own.folder / "results/tiny/own_code/sides.py").read_text(encoding="utf-8")
    assert own.planned("cells") == {}


def test_a_kept_study_is_run_again_by_the_command_that_it_prints(own: StudyRun, tmp_path: Path) -> None:
    own.run()
    page = (own.folder / "reports/tiny/report.html").read_text(encoding="utf-8")
    assert "what the class Halves of the file halves.py does, share 0.75" in page
    smallmix(own, "keep", "tiny.yaml")
    kept = own.folder / "reports/reference/tiny"
    assert (kept / "mine/sides.py").read_text(encoding="utf-8") == SIDES
    (command,) = re.findall(
        r"^\| Command \| `snakemake (.+)` \|$", (kept / "README.md").read_text("utf-8"), re.MULTILINE
    )

    elsewhere = StudyRun.create(tmp_path / "elsewhere")
    (elsewhere.folder / "tiny.yaml").unlink()
    shutil.copytree(kept, elsewhere.folder / "reports/reference/tiny")
    again = subprocess.run(
        [sys.executable, "-m", "snakemake", "cells", *command.split()],
        cwd=elsewhere.folder,
        text=True,
        capture_output=True,
        check=False,
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert "yours: reports/reference/tiny/mine/halves.py, reports/reference/tiny/mine/sides.py" in again.stdout
    for method in ("non", "sides", "halves"):
        place = f"n20/{method}/seed0"
        assert (elsewhere.cell(place) / "history.csv").read_bytes() == (own.cell(place) / "history.csv").read_bytes()


def test_faults_are_said_before_anything_starts(tmp_path: Path) -> None:
    study = write_study(tmp_path / "project")
    study.edit("mine/sides.py", "    def target", "    def other(self):\n        pass\n\n    def target")
    study.edit("mine/sides.py", "columns < row", "columns * float(images.mean()) < row")
    study.edit("mine/halves.py", "return self.share", "return 1.0 * self.share")
    study.edit("tiny.yaml", "{share: 0.75}", "{shares: 0.75}")
    result = study.snakemake("--cores", "2")
    said = result.stdout + result.stderr
    assert result.returncode != 0
    assert "study tiny: 2 faults in your own code, found before any cell was trained with it:" in said
    assert "mine/sides.py, line 11, Sides.mix: the step looks at a tensor's value here" in said
    assert "mine/halves.py, line 5, Halves: it takes share; found methods.halves.parameters.shares" in said
    assert "Traceback" not in said
    assert not list((study.folder / "results").glob("tiny/cells/**/*.csv")), "no cell was trained, not even of others"
    assert not (study.folder / "resources").exists(), "nothing was started"


def test_a_file_that_is_not_there_and_two_of_one_name_are_refused(tmp_path: Path) -> None:
    study = write_study(tmp_path / "project")
    (study.folder / "mine/halves.py").unlink()
    (study.folder / "sides.py").write_text(SIDES, encoding="utf-8")
    study.edit("tiny.yaml", "  halves:", "  third: {mix: sides.py:Sides}\n  halves:")
    result = study.snakemake("--cores", "1", "-n")
    said = result.stdout + result.stderr
    place = r"\(\S+/tiny\.yaml, line \d+\)"
    assert re.search(rf"methods\.halves\.mix {place}: there is no file mine/halves\.py; correct the path", said)
    assert re.search(rf"methods\.third\.mix {place}: mine/sides\.py and sides\.py have one name", said)
    assert "Traceback" not in said


def test_the_study_of_the_documentation_trains_as_it_is_printed(tmp_path: Path) -> None:
    page = (DOCS / "extending.md").read_text(encoding="utf-8")
    method, text = (
        next(block for kind, block in fenced_blocks(page) if kind == wanted) for wanted in ("python", "yaml")
    )
    study = StudyRun.create(tmp_path / "project")
    (study.folder / "tiny.yaml").write_text(text, encoding="utf-8")
    (study.folder / "my_method.py").write_text(method, encoding="utf-8")
    cell = study.folder / "results/my-study/cells/n20/sides/seed0"
    study.run(str((cell / "metrics.json").relative_to(study.folder)))
    metrics = json.loads((cell / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["cell"]["method"] == {"mix": "my_method.py:Sides", "beta": None}
    assert metrics["best_test_accuracy"] > 0.3, "guessing gives 0.1"
