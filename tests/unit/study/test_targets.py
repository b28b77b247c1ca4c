"""Targets that cannot be made say what was meant, with the remedy last."""

from __future__ import annotations

from pathlib import Path

import pytest
from smallmix.commands.main import FOR_PEOPLE
from smallmix.study.study import Study
from smallmix.study.targets import COMMANDS, TARGETS, explain_configfiles, explain_target

from tests.synthetic_configuration import build_configuration


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "workflow/studies").mkdir(parents=True)
    for name in ("workflow/studies/demo.yaml", "mine.yaml", "there.csv"):
        (tmp_path / name).write_text("study: demo\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("target", "ending"),
    [
        ("results/demo/cells/n20/non/seed0/metrics.json", "Add --configfile workflow/studies/demo.yaml"),
        ("reports/mine/report.html", "Add --configfile mine.yaml"),
        ("results/other/metrics.csv", "Add --configfile FILE, the file of that study"),
        ("demo", "It is a study: use --configfile workflow/studies/demo.yaml"),
        ("status", "It is a command: smallmix status"),
        ("results/{study}/cells/n{size}/{method}/seed0", "/seed0/metrics.json"),
        ("results/{study}/cells/n{size}/{method}/seed0/", "/seed0/metrics.json"),
        ("n{size}/{method}/seed0", "Ask for results/{study}/cells/n{size}/{method}/seed0/metrics.json"),
        ("n{size}/{method}/seed55", "or add it to seeds"),
        ("cell", "Did you mean cells?"),
        ("train", "such as results/{study}/summary.csv."),
        ("results/{study}/cells/n7/{method}/seed0/metrics.json", "or add it to subsets.sizes"),
        ("results/{study}/cells/n{size}/nope/seed0/metrics.json", "or add it to methods"),
        ("results/{study}/cells/n{size}/{method}/seed55/metrics.json", "or add it to seeds"),
    ],
)
def test_the_remedy_stands_last(project: Path, target: str, ending: str) -> None:
    study = Study.from_configuration(build_configuration())
    names = {"study": study.name, "size": study.sizes[0], "method": next(iter(study.methods))}
    said = explain_target(target.format(**names), TARGETS, study, project)
    assert said is not None
    assert said.startswith(target.format(**names))
    assert said.endswith(ending.format(**names))
    assert "\n" not in said


def test_every_command_that_is_no_target_is_explained() -> None:
    assert set(COMMANDS) == set(FOR_PEOPLE) - set(TARGETS)


@pytest.mark.parametrize(
    "target", ["all", "there.csv", "data/unknown.csv", "results/store/x/log.txt", "notes/x/seedling"]
)
def test_what_snakemake_may_know_is_left_to_it(project: Path, target: str) -> None:
    assert explain_target(target, TARGETS, Study.from_configuration(build_configuration()), project) is None


def test_a_cell_of_another_study_is_explained_when_it_is_there_already(project: Path) -> None:
    target = "results/demo/cells/n20/non/seed0/metrics.json"
    (project / target).parent.mkdir(parents=True)
    (project / target).write_text("{}", encoding="utf-8")
    said = explain_target(target, TARGETS, Study.from_configuration(build_configuration()), project)
    assert said is not None
    assert "that is a cell of study demo" in said


@pytest.mark.parametrize("file", ["reports/reference/mine/mine.yaml", "reports/reference/mine/mine.json"])
def test_the_configuration_of_a_kept_study_is_no_target(project: Path, file: str) -> None:
    (project / file).parent.mkdir(parents=True)
    (project / file).write_text("study: mine\n", encoding="utf-8")
    for folder in (None, project):
        assert explain_configfiles(["snakemake", "--cores", "all", "--configfile", file], TARGETS, folder) is None
    target = "reports/mine/report.html"
    said = explain_configfiles(["snakemake", "--configfile", file, target], TARGETS)
    assert said is not None
    assert said.startswith(f"{target} stands behind --configfile")


def test_targets_behind_configfile_are_to_stand_first(project: Path) -> None:
    said = explain_configfiles(["snakemake", "--configfile", "mine.yaml", "report"], TARGETS, project)
    assert said is not None
    assert said.endswith("Put targets first: snakemake report --cores all --configfile …")
    path = "results/demo/cells/n20/non/seed0/metrics.json"
    assert path in str(explain_configfiles(["snakemake", "--configfile", "mine.yaml", path], TARGETS, project))
    said = explain_configfiles(["snakemake", "--configfile", "nine.yaml", "-n"], TARGETS, project)
    assert said is not None
    assert "there is no file nine.yaml" in said
    assert (
        explain_configfiles(["snakemake", "report", "--configfile", "mine.yaml", "-n", "x"], TARGETS, project) is None
    )


def test_a_kept_configuration_among_the_reports_is_no_target(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command of a kept study names its configuration there, behind another one."""
    kept = "reports/reference/small-end/small-end.yaml"
    arguments = ["snakemake", "--cores", "all", "--configfile", "mine.yaml", kept]
    assert kept in str(explain_configfiles(arguments, TARGETS, project))
    (project / kept).parent.mkdir(parents=True)
    (project / kept).write_text("study: small-end\n", encoding="utf-8")
    assert explain_configfiles(arguments, TARGETS, project) is None
    monkeypatch.chdir(project)
    assert explain_configfiles(arguments, TARGETS) is None
