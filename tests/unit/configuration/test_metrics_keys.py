"""Protects the key `metrics`: files beside the configuration, words that are known, and cells that do not mind."""

from __future__ import annotations

from pathlib import Path

import pytest
from smallmix.code_fingerprint import fingerprint_own
from smallmix.errors import ConfigurationError
from smallmix.study.configuration import load_study
from smallmix.study.study import Study

STUDY = """
study: mine
dataset: {name: digits}
subsets: {sizes: [20]}
methods: {plain: {mix: none}}
seeds: [0]
recipe: {augmentation: {crop_padding: 1, flip: false}}
budgets: {default: {epochs: 3}}
"""


def study_of(folder: Path, *texts: str) -> Study:
    """The study of some files, of which the first has STUDY before its own text."""
    files = []
    for number, text in enumerate(texts):
        files.append(folder / f"{number}.yaml")
        files[-1].write_text(text if number else STUDY + text, encoding="utf-8")
    return load_study(files)


def test_a_file_is_found_beside_the_configuration_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "my_metric.py").write_text("def loss(logits, labels):\n    return 0\n")
    study = study_of(tmp_path, "metrics: {zero: my_metric.py:loss, f: macro-f1, again: my_metric.py:loss}\n")
    place = f"{tmp_path.as_posix()}/my_metric.py"
    assert study.metrics == {"again": f"{place}:loss", "f": "macro-f1", "zero": f"{place}:loss"}
    assert study.metric_files == (place,)
    assert Study.from_json(study.to_json()).metrics == study.metrics


def test_a_project_that_moved_has_the_same_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snakemake names its configuration files by their whole paths."""
    found = []
    for name in ("here", "there"):
        folder = tmp_path / name / "studies"
        folder.mkdir(parents=True)
        (folder / "my_metric.py").write_text("def loss(logits, labels):\n    return 0\n")
        monkeypatch.chdir(folder.parent)
        found.append(study_of(folder, "metrics: {zero: my_metric.py:loss}\n"))
    assert found[0].metric_files == ("studies/my_metric.py",)
    assert found[0].to_json() == found[1].to_json()


def test_metrics_decide_no_cell_and_are_no_input_of_one(tmp_path: Path) -> None:
    (tmp_path / "my_metric.py").write_text("def loss(logits, labels):\n    return 0\n")
    with_metrics = study_of(tmp_path, "metrics: {zero: my_metric.py:loss, f: macro-f1}\n")
    without = study_of(tmp_path, "")
    assert [cell.value.to_json() for cell in with_metrics.cells] == [cell.value.to_json() for cell in without.cells]
    assert with_metrics.own_code == ()


def test_an_overlay_adds_replaces_and_takes_out(tmp_path: Path) -> None:
    study = study_of(
        tmp_path,
        "metrics: {f: macro-f1, five: top-5}\n",
        "study: other\nmetrics: {five: ~, f: balanced-accuracy, more: top-5}\n",
    )
    assert study.metrics == {"f": "balanced-accuracy", "more": "top-5"}


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ("{f: macro-f2}", "found 'macro-f2'; did you mean macro-f1?"),
        ("{f: my_metric.py}", "or FILE.py:NAME as in my_metric.py:function"),
        ("{F 1: macro-f1}", "not allowed as a key (a metric's name is 1 to 40 small letters"),
        ("{f: ~}", "metrics.f"),
        ("[macro-f1]", "metrics"),
    ],
)
def test_what_is_no_metric_is_refused_by_its_key(tmp_path: Path, metrics: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        study_of(tmp_path, f"metrics: {metrics}\n")
    assert words in str(caught.value)


def test_the_fingerprint_covers_what_a_file_means_wherever_it_lies(tmp_path: Path) -> None:
    texts = {
        "plain": "def f(a, b):\n    return 1\n",
        "commented": "# Why.\ndef f(a, b):\n    return 1  # always\n",
        "other": "def f(a, b):\n    return 2\n",
    }
    for folder, text in texts.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.py").write_text(text)
    found = {folder: fingerprint_own([f"{tmp_path}/{folder}/m.py:f", "macro-f1"]) for folder in texts}
    assert found["plain"] == found["commented"] != found["other"]
    assert fingerprint_own(["macro-f1"]) != fingerprint_own(["top-5"]) != fingerprint_own([])
    (tmp_path / "plain" / "m.py").write_text("def f(:\n")
    with pytest.raises(ConfigurationError, match=r"m\.py, line 1"):
        fingerprint_own([f"{tmp_path}/plain/m.py:f"])
    with pytest.raises(ConfigurationError, match=r"cannot read .*absent\.py"):
        fingerprint_own([f"{tmp_path}/absent.py:f"])
