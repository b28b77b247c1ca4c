"""Files laid over each other: Snakemake's own merging, and what is taken out, left behind or kept on top of it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from smallmix.errors import ConfigurationError
from smallmix.study.config_reading import merge
from smallmix.study.configuration import load_configuration, load_study, resolve_configuration
from smallmix.study.layers import explain_mixed_studies

PROJECT = Path(__file__).resolve().parents[3]

BASE = """
study: base
title: The base
description: Of all.
dataset: {name: digits}
subsets: {sizes: [100, 200]}
methods:
  plain: {mix: none}
  mixed: {mix: images, beta: [2, 1]}
seeds: [0]
recipe: {augmentation: {crop_padding: 1, flip: false}}
budgets:
  default: {epochs: 3}
  100: {iterations: 7}
"""


def layered(folder: Path, *overlays: str, overrides: dict[str, Any] | None = None) -> dict[str, Any]:
    """The resolved configuration of BASE and some overlays."""
    files = []
    for number, text in enumerate([BASE, *overlays]):
        files.append(folder / f"layer{number}.yaml")
        files[-1].write_text(text, encoding="utf-8")
    return load_configuration(files, overrides)


def test_mappings_merge_and_lists_are_replaced(tmp_path: Path) -> None:
    resolved = layered(tmp_path, "study: other\nseeds: [1, 2]\nrecipe: {momentum: 0.5}")
    assert resolved["seeds"] == [1, 2]
    assert resolved["recipe"]["momentum"] == 0.5
    assert resolved["recipe"]["augmentation"]["crop_padding"] == 1
    assert resolved["methods"] == {
        "plain": {"mix": "none", "beta": None, "parameters": {}},
        "mixed": {"mix": "images", "beta": [2.0, 1.0], "parameters": {}},
    }


def test_null_takes_out_methods_budgets_and_units(tmp_path: Path) -> None:
    resolved = layered(
        tmp_path, "study: other\nmethods: {mixed: ~}\nbudgets: {default: {epochs: ~, iterations: 5}, 100: ~, 777: ~}"
    )
    assert list(resolved["methods"]) == ["plain"]
    assert resolved["budgets"] == {"default": {"iterations": 5}}


def test_a_budget_takes_the_unit_that_was_stated_last(tmp_path: Path) -> None:
    resolved = layered(tmp_path, "study: other\nbudgets: {default: {iterations: 5}, 100: {epochs: 2}}")
    assert resolved["budgets"] == {"default": {"iterations": 5}, "100": {"epochs": 2}}
    back = layered(tmp_path, "study: a\nbudgets: {100: {epochs: 2}}", "study: b\nbudgets: {100: {iterations: 9}}")
    assert back["budgets"]["100"] == {"iterations": 9}
    typed = layered(tmp_path, overrides={"budgets": {"default": {"iterations": 5}}})
    assert typed["budgets"]["default"] == {"iterations": 5}


def test_the_order_of_methods_is_the_order_of_the_files(tmp_path: Path) -> None:
    resolved = layered(tmp_path, "study: other\nmethods: {a-first-letter: {mix: images, beta: [1, 1]}}")
    assert list(resolved["methods"]) == ["plain", "mixed", "a-first-letter"]


def test_title_and_description_stay_with_their_study(tmp_path: Path) -> None:
    resolved = layered(tmp_path, "study: other")
    assert (resolved["title"], resolved["description"]) == ("other", "")
    resolved = layered(tmp_path, "study: other\ntitle: Another", "study: third\ndescription: Third.")
    assert (resolved["title"], resolved["description"]) == ("third", "Third.")
    assert layered(tmp_path)["title"] == "The base"
    assert layered(tmp_path, overrides={"study": "named-here"})["title"] == "named-here"


def test_budgets_of_sizes_that_an_overlay_leaves_out_are_left_out(tmp_path: Path) -> None:
    resolved = layered(tmp_path, "study: other\nsubsets: {sizes: [200, 300]}")
    assert resolved["budgets"] == {"default": {"epochs": 3}}
    resolved = layered(tmp_path, overrides={"subsets": {"sizes": ["200"]}})
    assert resolved["budgets"] == {"default": {"epochs": 3}}


def test_budgets_of_sizes_that_stay_are_kept(tmp_path: Path) -> None:
    resolved = layered(tmp_path, "study: other\nsubsets: {sizes: [100]}")
    assert resolved["budgets"]["100"] == {"iterations": 7}


def test_every_overlay_names_a_study(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"study \(.*layer2.yaml\): is missing in this file"):
        layered(tmp_path, "study: other", "seeds: [3]")


def test_a_study_stated_above_all_files_names_them_all(tmp_path: Path) -> None:
    """A small file that changes where the images lie serves several studies: `--config study=…` says which."""
    assert layered(tmp_path, "study: other", "seeds: [3]", overrides={"study": "other"})["seeds"] == [3]
    with pytest.raises(ConfigurationError, match="is missing in this file"):
        layered(tmp_path, "study: other", "seeds: [3]", overrides={"title": "Other"})


def test_two_studies_of_one_command_are_merged_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody who wants both studies would otherwise get a mixture of them without a word."""
    files = [tmp_path / name for name in ("base.yaml", "first.yaml", "second.yaml")]
    for path, text in zip(files, (BASE, "study: one\nseeds: [1]", "study: one\nseeds: [2]"), strict=True):
        path.write_text(text, encoding="utf-8")
    study = load_study(files)
    assert (study.name, study.seeds) == ("one", (2,))
    warning = capsys.readouterr().err
    assert warning.startswith("smallmix: these files state a study each: first.yaml (one), second.yaml (one).")
    assert "second.yaml (one) wins where they differ" in warning
    for quiet in (files[:1], files[:2], [*files[:2], files[1], files[0]]):
        load_study(quiet)
    assert capsys.readouterr().err == ""


def test_a_file_that_changes_a_study_of_smallmix_is_no_mistake(tmp_path: Path) -> None:
    """It stands last and names its own study. The reverse order would run smallmix's study with changes."""
    base, mine = tmp_path / "config.yaml", tmp_path / "mine.yaml"
    base.write_text(BASE, encoding="utf-8")
    mine.write_text("study: mine\nseeds: [1]", encoding="utf-8")
    demo, methods = (PROJECT / "workflow" / "studies" / name for name in ("demo.yaml", "methods.yaml"))
    assert explain_mixed_studies([base, demo, mine]) is None
    for files in ([base, mine, demo], [base, demo, methods]):
        last = f"{files[-1].name} ({files[-1].stem}) wins"
        assert last in str(explain_mixed_studies(files))
    mine.write_text("study: demo\nseeds: [1]", encoding="utf-8")
    assert "mine.yaml (demo) wins" in str(explain_mixed_studies([base, demo, mine]))


def test_a_file_named_twice_is_one_file(tmp_path: Path) -> None:
    """Snakemake lists config.yaml once for the Snakefile and once more where a user names it too."""
    path = tmp_path / "config.yaml"
    path.write_text(BASE, encoding="utf-8")
    assert load_configuration([path, tmp_path / "." / "config.yaml"]) == load_configuration([path])


def test_the_command_line_may_change_anything_without_a_name(tmp_path: Path) -> None:
    """The study keeps its folders, which follow the configuration; trainings are stored by content, so none is lost."""
    overrides = {
        "seeds": ["0", "1"],
        "recipe": {"learning_rate": "1e-3", "augmentation": {"flip": "false"}},
        "subsets": {"sizes": "[100, 300]"},
        "budgets": {"100": {"iterations": "9"}},
        "published": "null",
    }
    resolved = layered(tmp_path, overrides=overrides)
    assert resolved["study"] == "base"
    assert resolved["seeds"] == [0, 1]
    assert resolved["recipe"]["learning_rate"] == 0.001
    assert resolved["recipe"]["augmentation"]["flip"] is False
    assert resolved["subsets"]["sizes"] == [100, 300]
    assert resolved["budgets"]["100"] == {"iterations": 9}
    assert resolved["published"] is None


def snakemakes(files: list[Path], command_line: dict[str, Any]) -> dict[str, Any]:
    """What Snakemake makes of a Snakefile's configuration, further files, and --config: its own order of steps."""
    update_config = pytest.importorskip("snakemake.utils").update_config
    overwriting: dict[str, Any] = {}
    for path in files[1:]:
        update_config(overwriting, yaml.safe_load(path.read_text(encoding="utf-8")))
    update_config(overwriting, command_line)
    config = copy.deepcopy(overwriting)
    update_config(config, yaml.safe_load(files[0].read_text(encoding="utf-8")))
    update_config(config, overwriting)
    return config


def test_snakemakes_order_of_keys_does_not_matter(tmp_path: Path) -> None:
    """It lists an overlay's methods first, and a budget of the command line, as text, before the file's number."""
    overlay = "study: other\nmethods: {another: {mix: images, beta: [3, 1]}}\nbudgets: {200: {epochs: 4}}"
    command_line = {"budgets": {"100": {"iterations": "9"}}, "seeds": ["5"]}
    ours = layered(tmp_path, overlay, overrides=command_line)
    files = [tmp_path / "layer0.yaml", tmp_path / "layer1.yaml"]
    config = snakemakes(files, command_line)
    assert list(config["methods"]) != ["plain", "mixed", "another"]
    resolved = resolve_configuration(config, files)
    assert resolved == ours
    assert list(resolved["methods"]) == list(ours["methods"]) == ["plain", "mixed", "another"]
    assert resolved["budgets"]["100"] == {"iterations": 9}
    assert resolve_configuration(config)["budgets"]["100"] == {"iterations": 9}


def test_problems_of_the_command_line_are_found_in_snakemakes_configuration(tmp_path: Path) -> None:
    layered(tmp_path)
    files = [tmp_path / "layer0.yaml"]
    config = snakemakes(files, {"budgets": {"100": {"iterations": "5x"}}})
    with pytest.raises(ConfigurationError, match=r"budgets.100.iterations \(command line\): found '5x'"):
        resolve_configuration(config, files)


def test_numbers_as_keys_and_their_texts_are_one_key() -> None:
    """As Snakemake hands it over: 100 from the file, '100' from the command line."""
    config = yaml.safe_load(BASE)
    config["budgets"]["100"] = {"iterations": "9"}
    assert resolve_configuration(config)["budgets"]["100"] == {"iterations": 9}


def test_merged_by_snakemake_or_by_us_is_the_same(tmp_path: Path) -> None:
    update_config = pytest.importorskip("snakemake.utils").update_config
    overlay = (
        "study: other\nsubsets: {sizes: [200]}\nmethods: {mixed: ~}\nseeds: [4]\n"
        "evaluation: {epoch_budgets: {every: 2}}\n"
    )
    config = yaml.safe_load(BASE)
    update_config(config, yaml.safe_load(overlay))
    ours = layered(tmp_path, overlay)
    assert resolve_configuration(config, [tmp_path / "layer0.yaml", tmp_path / "layer1.yaml"]) == ours
    assert ours["evaluation"]["epoch_budgets"] == {"every": 2, "every_at_end": None}


TREES = st.recursive(
    st.none() | st.integers(0, 3) | st.just("text") | st.lists(st.integers(0, 2), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(st.sampled_from("abc"), TREES, max_size=3)


@given(MAPPINGS, MAPPINGS.filter(bool))
def test_merging_is_snakemakes(earlier: dict[str, Any], later: dict[str, Any]) -> None:
    update_config = pytest.importorskip("snakemake.utils").update_config
    expected = copy.deepcopy(earlier)
    update_config(expected, copy.deepcopy(later))

    # An empty mapping over a list leaves the list in Snakemake; ours replaces it, which is then refused.
    if "{}" not in repr(later):
        assert merge(earlier, later) == expected


def test_load_study_expands_the_cells(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE, encoding="utf-8")
    study = load_study([tmp_path / "base.yaml"])
    assert [cell.id for cell in study.cells][:2] == ["n100/plain/seed0", "n100/mixed/seed0"]
    assert {cell.value.budget.unit for cell in study.cells} == {"epochs", "iterations"}


def test_resolving_is_idempotent_and_changes_nothing_given() -> None:
    config = yaml.safe_load(BASE)
    before = copy.deepcopy(config)
    resolved = resolve_configuration(config)
    assert config == before
    assert resolve_configuration(resolved) == resolved
