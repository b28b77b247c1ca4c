"""Protects which results a word means: a folder's are never taken for others, and old ones never for new ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from smallmix import api
from smallmix.commands.main import main
from smallmix.errors import ConfigurationError, SmallmixError
from smallmix.study.named_study import find_results
from smallmix.study.study import Study
from smallmix.tables.configuration_of_results import other_configuration
from smallmix.tables.kept_study import read_kept

from tests.synthetic_study import SyntheticStudy
from tests.unit.figures.study_with_tables import build_study_with_tables
from tests.unit.tables.kept_tables import keep_below


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    return build_study_with_tables(tmp_path_factory.mktemp("study"), sizes=[500, 100])


def test_a_folder_of_results_of_another_project_is_read_there(made: SyntheticStudy, tmp_path: Path) -> None:
    """Where the current project has results of that name, too."""
    build_study_with_tables(tmp_path, sizes=[100])
    place = find_results(made.layout.results, tmp_path)
    assert (place.kept, place.root) == (False, made.root)
    assert place.study.sizes == (500, 100)
    assert place.layout.cell(place.study.cell("n500/non/seed0")).is_dir()


def test_an_export_holds_the_results_of_the_folder_that_is_named(
    made: SyntheticStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    build_study_with_tables(here, sizes=[100])
    monkeypatch.chdir(here)
    kept = keep_below(tmp_path / "kept" / "synthetic", made)
    for number, folder in enumerate((made.layout.results, kept)):
        output = tmp_path / str(number)
        assert main(["export", str(folder), "--output", str(output), "--without-figures"]) == 0
        assert (output / "data" / "metrics.csv").read_bytes() == (made.layout.results / "metrics.csv").read_bytes()


def test_a_kept_folder_without_its_numbers_is_not_taken_for_the_results_here(
    made: SyntheticStudy, tmp_path: Path
) -> None:
    folder = keep_below(tmp_path / "reports" / "reference" / "synthetic", made)
    (folder / "metrics.csv").unlink()
    with pytest.raises(ConfigurationError, match=r"has a study\.json and no metrics\.csv.*\. Restore metrics\.csv"):
        find_results(folder, made.root)
    with pytest.raises(ConfigurationError, match=r"has a study\.json and no metrics\.csv"):
        find_results("synthetic", tmp_path)


def test_results_of_an_earlier_configuration_are_not_taken_for_those_of_now(
    made: SyntheticStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made.root, tmp_path, dirs_exist_ok=True)
    values = json.loads(json.dumps(made.study.configuration))
    values["recipe"]["momentum"] = 0.8
    values["budgets"] |= {500: None, 250: None, 100: None}
    values["dataset"]["cifar10"]["sources"] = ["https://example.org/cifar-10-python.tar.gz"]
    (tmp_path / "changed.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    changed = str(tmp_path / "changed.yaml")
    wanted = r"made by another configuration:\n  - recipe\.momentum: 0\.9 before, 0\.8 now\nName the folder "
    with pytest.raises(SmallmixError, match=wanted):
        api.load(changed, tmp_path)
    assert main(["export", changed, "--root", str(tmp_path), "--output", str(tmp_path / "out")]) == 2
    assert "recipe.momentum: 0.9 before, 0.8 now" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert len(api.load(tmp_path / "results" / "synthetic", tmp_path).metrics) == 18


def test_results_of_another_configuration_are_not_said_to_be_missing(
    made: SyntheticStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where a copied example was run under the example's name, which means the example itself."""
    shutil.copytree(made.root, tmp_path, dirs_exist_ok=True)
    root, results = ["--root", str(tmp_path)], made.root / "results" / "synthetic"
    meant = tmp_path / "synthetic.yaml"
    values = json.loads(json.dumps(made.study.configuration))
    values["subsets"] |= {"rule": "balanced", "sizes": [700]}
    values["budgets"] |= {500: None, 250: None, 100: None}
    values["dataset"]["cifar10"]["sources"] = ["https://example.org/cifar-10-python.tar.gz"]
    meant.write_text(yaml.safe_dump(values), encoding="utf-8")
    told = "subsets.rule: head before, balanced now"
    for command, code in (
        (["compare", "synthetic", str(results), *root], 2),
        (["predict", "synthetic", "n100/non/seed0", str(tmp_path), *root], 2),
        (["status", "synthetic", *root], 0),
    ):
        assert main(command) == code, command
        assert told in capsys.readouterr().err, command


def test_a_file_does_not_mean_the_kept_results_of_another_configuration(
    made: SyntheticStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where a kept study's file was copied and changed. The name alone means what is kept."""
    folder = keep_below(tmp_path / "reports" / "reference" / "synthetic", made)
    values = json.loads(json.dumps(made.study.configuration))
    values["budgets"] |= {500: None, 250: None, 100: None}
    values["dataset"]["cifar10"]["sources"] = ["https://example.org/cifar-10-python.tar.gz"]
    (tmp_path / "same.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    values["recipe"]["momentum"] = 0.8
    changed = tmp_path / "changed.yaml"
    changed.write_text(yaml.safe_dump(values), encoding="utf-8")
    told = rf"{folder} was made by another configuration:\n  - recipe\.momentum: 0\.9 before, 0\.8 now\nName the folder"
    with pytest.raises(ConfigurationError, match=told):
        api.load(changed, tmp_path)
    root = ["--root", str(tmp_path)]
    for command in (
        ["export", str(changed), "--output", str(tmp_path / "out"), *root],
        ["compare", str(changed), str(folder), *root],
        ["compare", str(changed), "published", *root],
        ["predict", str(changed), "n100/non/seed0", str(tmp_path), *root],
    ):
        assert main(command) == 2
        assert "recipe.momentum: 0.9 before, 0.8 now" in capsys.readouterr().err
    for word in (tmp_path / "same.yaml", "synthetic", folder):
        assert len(api.load(word, tmp_path).metrics) == 18


def double(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.iloc[:1]])


def exceed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(best_test_accuracy=[1.5, *frame["best_test_accuracy"].iloc[1:]])


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (double, r"metrics\.csv: two rows of size 500, method non, seed 0\. Restore"),
        (exceed, r"metrics\.csv: line 2: best_test_accuracy is '1\.5', not a number from 0 to 1\. Restore"),
    ],
)
def test_damaged_numbers_of_a_kept_study_are_refused(
    made: SyntheticStudy, tmp_path: Path, damage: Callable[[pd.DataFrame], pd.DataFrame], problem: str
) -> None:
    folder = keep_below(tmp_path / "kept", made)
    damage(pd.read_csv(folder / "metrics.csv")).to_csv(folder / "metrics.csv", index=False)
    with pytest.raises(SmallmixError, match=problem):
        read_kept(find_results(folder, tmp_path))
    with pytest.raises(SmallmixError, match=problem):
        _ = api.load(folder, tmp_path).metrics
    assert main(["export", str(folder), "--root", str(tmp_path), "--output", str(tmp_path / "out")]) == 1


def test_a_folder_that_is_named_is_read_as_it_is(made: SyntheticStudy, tmp_path: Path) -> None:
    """Also that of an unfinished study whose configuration was changed since."""
    shutil.copytree(made.root, tmp_path, dirs_exist_ok=True)
    results = tmp_path / "results" / "synthetic"
    so_far = results / "so-far"
    so_far.mkdir()
    for name in ("metrics.csv", "cells.csv"):
        shutil.copy(results / name, so_far / name)
    changed = {**made.study.configuration, "seeds": [0, 1, 2, 3]}
    (so_far / "study.json").write_text(Study.from_configuration(changed).to_json(), encoding="utf-8")
    assert len(api.load(so_far, tmp_path).metrics) == 18


def test_own_code_is_the_same_file_from_every_folder(
    made: SyntheticStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths of own code are written as seen from the current folder."""
    methods = {**made.study.configuration["methods"], "mine": {"mix": "my/own.py:Mine", "beta": None, "parameters": {}}}
    other = {**methods, "mine": {**methods["mine"], "mix": "/far/away/my/own.py:Mine"}}
    renamed = {**methods, "mine": {**methods["mine"], "mix": "/far/away/my/own.py:Other"}}
    studies = [
        replace(made.study, configuration={**made.study.configuration, "methods": one}) for one in (other, renamed)
    ]
    recorded = replace(made.study, configuration={**made.study.configuration, "methods": methods})
    monkeypatch.setattr(Study, "load", lambda _: recorded)
    assert other_configuration(studies[0], made.layout.results) is None
    told = other_configuration(studies[1], made.layout.results)
    assert told is not None
    assert "methods.mine.mix: my/own.py:Mine before, /far/away/my/own.py:Other now" in told


@pytest.mark.parametrize("linked", ["results", "results/synthetic"])
def test_results_behind_a_link_are_those_of_the_project_with_the_link(
    made: SyntheticStudy, tmp_path: Path, linked: str
) -> None:
    project, far = tmp_path / "project", tmp_path / "far"
    shutil.copytree(made.root, project)
    shutil.move(project / linked, far)
    (project / linked).symlink_to(far)
    place = find_results(project / "results" / "synthetic", tmp_path)
    assert (place.kept, place.root) == (False, project)


def test_a_kept_folder_below_a_folder_named_results_is_kept(made: SyntheticStudy, tmp_path: Path) -> None:
    assert find_results(keep_below(tmp_path / "paper" / "results" / "synthetic", made), tmp_path).kept
