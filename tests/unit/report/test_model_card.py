"""The model card: what the networks are, with the numbers of the tables, and how to use those that go along."""

from __future__ import annotations

import json
import re
import shutil
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from smallmix.commands.main import main
from smallmix.commands.report import COMMANDS
from smallmix.errors import SmallmixError
from smallmix.report import kept_results
from smallmix.report.kept_results import kept_files
from smallmix.report.model_card import describe_networks
from smallmix.statistics.comparison import compare_methods, write_comparison
from smallmix.statistics.study_results import read_results
from smallmix.statistics.summary import summarize, write_summary
from smallmix.study.layout import WEIGHTS_FILE
from smallmix.study.study import Study
from smallmix.tables.collect import collect_into
from smallmix.tables.subset_table import tabulate_subsets, write_subset_table
from smallmix.training.weights import read_weights

from tests.synthetic_study import SyntheticStudy
from tests.tiny_study import TinyStudy
from tests.unit.figures.study_with_tables import build_study_with_tables, tables_of

SECTIONS = ["What it is", "Data", "Training", "Metrics", "Limits", "How to load"]
PLACE = "n20/non/seed0"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    return build_study_with_tables(tmp_path_factory.mktemp("study"), sizes=[500, 100])


def card_of(made: SyntheticStudy) -> str:
    return describe_networks(tables_of(made), {})


def section(card: str, name: str) -> str:
    return card.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def test_it_has_the_common_sections(finished: SyntheticStudy) -> None:
    card = card_of(finished)
    assert card.startswith("# Model card: A synthetic study\n")
    assert re.findall(r"^## (.+)$", card, flags=re.MULTILINE) == SECTIONS
    assert all(section(card, name).strip() for name in SECTIONS)


def test_it_says_what_the_networks_are_and_were_trained_on(finished: SyntheticStudy) -> None:
    card = card_of(finished)
    first = card.partition("## Data")[0]
    for words in (
        "18 networks of the study synthetic, one for each of 2 training-set sizes, 3 methods and 3 seeds",
        "11,172,170 trained weights",  # the article's network on ten classes
        "images of 32 x 32 pixels in 3 channels and tells 10 classes apart",
        "airplane, automobile, bird, cat, deer, dog, frog, horse, ship and truck",
        "trained by smallmix 0.1.0",
        "The networks themselves are not in this folder.",
    ):
        assert words in first, words
    assert "Synthetic images: 500 training and 200 test images" in section(card, "Data")
    training = section(card, "Training")
    assert "learning rate 0.1, multiplied by 0.1 at 33 % and 66 %" in training
    assert "Beta(2, 1)" in training
    assert "torch 2.14.1" in training


def test_its_numbers_are_those_of_the_end_of_the_budget_with_their_intervals(finished: SyntheticStudy) -> None:
    """From metrics.csv, by the formula: mean over three seeds, 4.303 standard errors either way."""
    metrics = pd.read_csv(finished.layout.results / "metrics.csv")
    rows = [line.split(" | ") for line in section(card_of(finished), "Metrics").splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 2 * 3
    for size, method, *shown in rows[1:]:
        runs = metrics[(metrics["size"] == int(size.strip("| "))) & (metrics["method"] == method)]
        wanted = []
        for name, factor, decimals in (
            ("final_test_accuracy", 100, 2),
            ("expected_calibration_error", 100, 2),
            ("negative_log_likelihood", 1, 3),
        ):
            values = factor * runs[name].to_numpy()
            half = 4.30265 * np.std(values, ddof=1) / np.sqrt(3)
            wanted += [values.mean(), values.mean() - half, values.mean() + half]
            assert decimals == len(shown[0].partition(".")[2].partition(" ")[0]) or factor == 1
        found = [
            float(text.replace("\N{MINUS SIGN}", "-")) for text in re.findall(r"[\d.\N{MINUS SIGN}]+", " ".join(shown))
        ]
        assert found == pytest.approx(wanted, abs=6e-3)


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, sizes=[100], seeds=[4])
    metrics = section(card_of(made), "Metrics")
    assert "mean over 1 seed without an interval" in metrics
    assert " to " not in metrics.partition("|---")[2]


def test_what_is_known_about_the_images_is_repeated(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, sizes=[100], seeds=[0])
    path = made.layout.dataset / "dataset.json"
    warning = "test.csv: 3 of 200 images are <equal> to training images"
    path.write_text(json.dumps({**json.loads(path.read_text()), "warnings": [warning]}), encoding="utf-8")
    assert r"- test.csv: 3 of 200 images are &lt;equal> to training images" in section(card_of(made), "Data")


def test_no_markup_of_a_name_reaches_the_card(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, sizes=[100], seeds=[0], title="A [title](https://example.org) | <b>")
    assert "# Model card: A \\[title\\](https://example.org) \\| &lt;b>\n" in card_of(made)


def test_without_networks_it_says_how_to_keep_them(finished: SyntheticStudy) -> None:
    load = section(card_of(finished), "How to load")
    assert "`keep: {weights: final}`" in load
    assert "smallmix predict synthetic n500/non/seed0 photos/" in load


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    """A finished tiny study with its networks and tables."""
    root = tmp_path_factory.mktemp("trained")
    written = TinyStudy.write(root, seeds=[0], iterations=4)
    configuration = {**written.layout.study.configuration, "keep": {"weights": "final"}}
    configuration["recipe"] |= {"augmentation": {"crop_padding": 1, "flip": False}}
    study = Study.from_configuration(configuration)
    made = TinyStudy(replace(written.layout, study=study))
    made.layout.study_file.write_text(study.to_json() + "\n", encoding="utf-8")
    for cell in study.cells:
        made.train(cell.id, keep_weights=True)
    metrics = json.loads((made.layout.cell(study.cells[0]) / "metrics.json").read_text(encoding="utf-8"))
    finished = SyntheticStudy(root, study, metrics["code_fingerprint"])
    collect_into(made.layout, made.layout.results, require_complete=True)
    _write_statistics(finished)
    return finished


def _write_statistics(made: SyntheticStudy) -> None:
    folder = made.layout.results
    results = read_results(folder / "metrics.csv")
    write_summary(summarize(made.study, results), folder / "summary.csv")
    write_comparison(compare_methods(made.study, results), folder / "comparison.csv")
    write_subset_table(tabulate_subsets(made.layout), folder / "subset_table.csv")


def keep(made: SyntheticStudy, folder: Path, weights: Sequence[str]) -> None:
    configuration = made.root / "whole.yaml"
    configuration.write_text(json.dumps(made.study.configuration), encoding="utf-8")
    chosen = Namespace(
        studies=[str(configuration)], root=made.root, output=folder, made_by=None, stated=None, weights=list(weights)
    )
    assert COMMANDS["keep"].run(chosen) == 0


def test_networks_are_kept_only_if_they_are_asked_for(trained: SyntheticStudy, tmp_path: Path) -> None:
    keep(trained, tmp_path / "without", [])
    assert not list((tmp_path / "without").rglob("*.safetensors"))
    keep(trained, tmp_path / "with", [PLACE, PLACE])
    (network,) = (tmp_path / "with").rglob("*.safetensors")
    assert network.relative_to(tmp_path / "with").as_posix() == "networks/n20-non-seed0.safetensors"
    assert network.read_bytes() == (trained.folder(PLACE) / WEIGHTS_FILE).read_bytes()
    card = (tmp_path / "with" / "MODEL_CARD.md").read_text(encoding="utf-8")
    digest = read_weights(network).description.weights_sha256
    assert f"| `networks/n20-non-seed0.safetensors` | {PLACE} | {network.stat().st_size:,} | `{digest}` |" in card
    page = (tmp_path / "with" / "README.md").read_text(encoding="utf-8")
    assert (
        "Of 3 trained networks, 1 is kept in `networks/`. Not kept: images, predictions and the other weights." in page
    )
    graph = json.loads((tmp_path / "with" / "ro-crate-metadata.json").read_text(encoding="utf-8"))["@graph"]
    (described,) = [one for one in graph if one["@id"] == "networks/n20-non-seed0.safetensors"]
    assert described["contentSize"] == str(network.stat().st_size)
    assert described["description"] == "The trained network of one cell, in the format safetensors."


def test_what_the_card_tells_to_type_works(
    trained: SyntheticStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(trained, tmp_path / "kept", [PLACE])
    monkeypatch.chdir(tmp_path / "kept")
    Path("photos").mkdir()
    Image.new("L", (8, 8), 7).save("photos/one.png")
    card = Path("MODEL_CARD.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"```sh\nsmallmix (.+)\n```", card)
    assert main(command.split()) == 0
    assert len(Path("labels.csv").read_text(encoding="utf-8").splitlines()) == 2
    (program,) = re.findall(r"```python\n(.+?)```", card, flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(program, names)  # the card's own lines
    assert "model" in names


def test_a_network_that_is_not_there_is_not_kept(trained: SyntheticStudy, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(trained.root, root)
    made = replace(trained, root=root)
    (made.folder(PLACE) / WEIGHTS_FILE).unlink()
    with pytest.raises(SmallmixError, match=r"there is no .*model\.safetensors"):
        keep(made, tmp_path / "kept", [PLACE])
    with pytest.raises(SmallmixError, match=r"has no cell n7/non/seed0"):
        keep(made, tmp_path / "kept", ["n7/non/seed0"])
    assert not (tmp_path / "kept").exists()


def test_the_limit_of_size_is_not_for_networks(trained: SyntheticStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = trained.layout.report / "figures"
    bare = kept_files(tables_of(trained), trained.layout.results, figures, "snakemake")
    network = trained.folder(PLACE) / WEIGHTS_FILE
    limit = sum(map(len, bare.values())) + network.stat().st_size // 2
    monkeypatch.setattr(kept_results, "LARGEST", limit)
    files = kept_files(tables_of(trained), trained.layout.results, figures, "snakemake", {}, {PLACE: network})
    assert sum(map(len, files.values())) > limit
