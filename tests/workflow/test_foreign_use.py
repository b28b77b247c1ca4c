"""Used from elsewhere: another folder, another Snakefile that includes this one, and as a module."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.datasets.image_folder import make_image_folder
from tests.workflow.study_run import PROJECT, TINY_STUDY

INCLUDED = f'include: "{PROJECT}/Snakefile"\n'
MODULE = f"""
configfile: "outer.yaml"


module smallmix:
    snakefile:
        "{PROJECT}/Snakefile"
    config:
        config["smallmix"]


use rule * from smallmix as mix_*
"""


STUDY = """\
study: tiny
dataset: {name: digits}
subsets: {sizes: [20]}
methods: {non: {mix: none}, label-mix: {mix: images-and-labels, beta: [1, 1]}}
seeds: [0]
model: {width: 4}
recipe: {augmentation: {crop_padding: 1, flip: false}}
evaluation: {iteration_budgets: {every: 2}, clean_train_limit: 20}
budgets: {default: {iterations: 4}}
"""
TWO_MODULES = """
configfile: "outer.yaml"


module left:
    snakefile:
        "PROJECT/Snakefile"
    config:
        config["left"]
    LEFT


module right:
    snakefile:
        "PROJECT/workflow/Snakefile"
    config:
        config["right"]
    RIGHT


use rule * from left as left_*


use rule * from right EXCEPT as right_*


rule both:
    default_target: True
    input:
        rules.left_all.input,
        rules.right_all.input,


onsuccess:
    print("the outer workflow is done")
"""
MOVED = 'pathvars: results="numbers", resources="images", reports="pages/of", logs="notes"'


def snakemake(folder: Path, *arguments: str) -> str:
    """Return the output of a dry run in `folder`, which must succeed."""
    return run_snakemake(folder, *arguments, "-n")


def run_snakemake(folder: Path, *arguments: str) -> str:
    """Return the output of a run in `folder`, which must succeed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments, "--cores", "1"],
        cwd=folder,
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Return a folder without any file of the project's, with an overlay."""
    (tmp_path / "tiny.yaml").write_text(TINY_STUDY, encoding="utf-8")
    return tmp_path


def test_an_overlay_alone_changes_the_projects_own_configuration(elsewhere: Path) -> None:
    output = snakemake(elsewhere, "-s", f"{PROJECT}/Snakefile", "--configfile", "tiny.yaml")
    assert "train_cell              6" in output


def test_the_projects_study_runs_where_there_is_nothing(elsewhere: Path) -> None:
    assert "train_cell             24" in snakemake(elsewhere, "-s", f"{PROJECT}/Snakefile")


def test_an_including_snakefile_is_asked_to_name_a_target(elsewhere: Path) -> None:
    (elsewhere / "Snakefile").write_text(INCLUDED, encoding="utf-8")
    assert "name a target" in snakemake(elsewhere, "--configfile", "tiny.yaml")
    assert "train_cell              6" in snakemake(elsewhere, "all", "--configfile", "tiny.yaml")


def test_as_a_module_it_brings_its_own_files_and_published_numbers(elsewhere: Path) -> None:
    (elsewhere / "Snakefile").write_text(MODULE, encoding="utf-8")
    study = "\n".join(
        [
            "study: tiny",
            "dataset: {name: digits}",
            "subsets: {sizes: [20, 40]}",
            "methods: {non: {mix: none}, label-mix: {mix: images-and-labels, beta: [1, 1]}}",
            "seeds: [0]",
            "recipe: {augmentation: {crop_padding: 1, flip: false}}",
            "budgets: {default: {iterations: 4}}",
            "published: workflow/published/article.yaml",
        ]
    )
    text = "smallmix:\n" + "".join(f"  {line}\n" for line in study.splitlines())
    (elsewhere / "outer.yaml").write_text(text, encoding="utf-8")
    output = snakemake(elsewhere)
    assert "mix_train_cell              4" in output
    assert "mix_render_report           1" in output


def write_two_modules(folder: Path, left: str, right: str, without: str = "") -> None:
    """Write an outer workflow with two modules, each with a study of its own."""
    snakefile = TWO_MODULES.replace("PROJECT", str(PROJECT)).replace("EXCEPT", without)
    (folder / "Snakefile").write_text(snakefile.replace("LEFT", left).replace("RIGHT", right), encoding="utf-8")
    one = yaml.safe_load(STUDY)
    (folder / "outer.yaml").write_text(yaml.safe_dump({"left": one, "right": {**one, "study": "other"}}))


def test_two_studies_stand_side_by_side_on_one_data_set(elsewhere: Path) -> None:
    write_two_modules(elsewhere, "", "", without="exclude fetch_dataset")
    output = snakemake(elsewhere)
    for rule, count in {"left_fetch_dataset": 1, "left_train_cell": 2, "right_train_cell": 2, "both": 1}.items():
        assert re.search(rf"^{rule} +{count}$", output, flags=re.MULTILINE), rule
    assert "right_fetch_dataset" not in output


def test_modules_with_moved_folders_run_to_their_reports_and_write_nowhere_else(elsewhere: Path) -> None:
    write_two_modules(elsewhere, 'prefix: "left"', MOVED)
    assert "the outer workflow is done" in run_snakemake(elsewhere)
    own = {"Snakefile", "outer.yaml", "tiny.yaml", ".snakemake"}
    made = {path.name for path in elsewhere.iterdir()} - own
    assert made == {"left", "numbers", "images", "pages", "notes"}
    assert {path.name for path in (elsewhere / "left").iterdir()} == {"results", "resources", "reports", "logs"}
    assert {path.name for path in (elsewhere / "numbers").iterdir()} <= {"other", "store", "slots"}
    for results, page in (("left/results/tiny", "left/reports/tiny"), ("numbers/other", "pages/of/other")):
        assert len((elsewhere / results / "metrics.csv").read_text(encoding="utf-8").splitlines()) == 3
        assert "</html>" in (elsewhere / page / "report.html").read_text(encoding="utf-8")
    assert "numbers/other/cells/" in (elsewhere / "pages/of/other/report.html").read_text(encoding="utf-8")
    assert (elsewhere / "notes/other/cells/n20/non/seed0.tsv").exists()
    assert "Nothing to be done" in snakemake(elsewhere)


def test_the_users_own_images_stay_where_they_are_under_a_prefix(elsewhere: Path) -> None:
    make_image_folder(elsewhere / "img")
    write_two_modules(elsewhere, 'prefix: "left"', MOVED)
    configuration = yaml.safe_load((elsewhere / "outer.yaml").read_text(encoding="utf-8"))
    own = {"name": "image-list", "image-list": {"folder": "img", "identifier": "mine", "image_size": 8}}
    configuration["left"] |= {
        "dataset": own,
        "subsets": {"sizes": [3]},
        "recipe": {"batch_size": 4, "augmentation": {"crop_padding": 1}},
    }
    (elsewhere / "outer.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    run_snakemake(elsewhere, "left/resources/mine/dataset.json")
    assert (elsewhere / "left/resources/mine/train_images.npy").exists()


def test_a_module_without_a_configuration_runs_the_projects_study(elsewhere: Path) -> None:
    text = re.sub(r"    config:\n.*\n", "", MODULE.replace('configfile: "outer.yaml"', ""))
    (elsewhere / "Snakefile").write_text(text, encoding="utf-8")
    assert "mix_train_cell             24" in snakemake(elsewhere)


def test_a_deployed_workflow_runs_by_its_copy_of_the_configuration(elsewhere: Path) -> None:
    """As `snakedeploy` writes it: config/ as in the project, and a workflow/Snakefile without a rule of its own."""
    (elsewhere / "workflow").mkdir()
    shutil.copytree(PROJECT / "config", elsewhere / "config")
    assert not (elsewhere / "config/config.yaml").is_symlink()
    text = MODULE.replace("outer.yaml", "config/config.yaml").replace('config["smallmix"]', "config")
    text = text.replace(f"{PROJECT}/Snakefile", f"{PROJECT}/workflow/Snakefile").replace(" as mix_*", "")
    (elsewhere / "workflow/Snakefile").write_text(text, encoding="utf-8")
    output = snakemake(elsewhere)
    assert "train_cell             24" in output
    assert re.search(r"^all +1$", output, flags=re.MULTILINE)


def test_the_snakefile_below_workflow_is_the_same_workflow(elsewhere: Path) -> None:
    output = snakemake(elsewhere, "-s", f"{PROJECT}/workflow/Snakefile", "--configfile", "tiny.yaml")
    assert "train_cell              6" in output
    assert re.search(r"^all +1$", output, flags=re.MULTILINE)
    assert "name a target" not in output


def test_another_directory_takes_the_projects_own_study(elsewhere: Path) -> None:
    (elsewhere / "run").mkdir()
    output = snakemake(elsewhere, "-s", f"{PROJECT}/Snakefile", "--directory", "run")
    assert "train_cell             24" in output


def test_locks_of_an_outer_workflow_are_left_alone(elsewhere: Path) -> None:
    """It does not run the onstart that would show that it is at work. Our own workflow clears what a kill left."""
    mark = elsewhere / ".snakemake/locks/0.output.lock"
    mark.parent.mkdir(parents=True)
    mark.write_text("results/tiny/study.json\n", encoding="utf-8")
    write_two_modules(elsewhere, "", "", without="exclude fetch_dataset")
    snakemake(elsewhere)
    (elsewhere / "Snakefile").write_text(INCLUDED, encoding="utf-8")
    snakemake(elsewhere, "all", "--configfile", "tiny.yaml")
    assert mark.exists()
    snakemake(elsewhere, "-s", f"{PROJECT}/workflow/Snakefile", "--configfile", "tiny.yaml")
    assert not mark.exists()


def test_every_rule_says_what_it_is_for() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--list-rules"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    listed = re.findall(r"^([a-z_]+)( \(.+)?$", done.stdout, flags=re.MULTILINE)
    assert {"all", "subsets", "cells", "figures", "report", "plan", "train_cell"} <= {name for name, _ in listed}
    assert [name for name, meaning in listed if not meaning] == []
