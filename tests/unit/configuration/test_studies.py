"""The shipped studies resolve, state only what differs, and mean what their comments say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from smallmix.statistics.comparison import compare_methods
from smallmix.statistics.sign_flip import smallest_p_value
from smallmix.study.config_rules import MOST_CELLS
from smallmix.study.configuration import load_study
from smallmix.study.study import Study
from smallmix.wording import spelt_out

PROJECT = Path(__file__).resolve().parents[3]
OVERLAYS = sorted((PROJECT / "workflow" / "studies").glob("*.yaml"))


@pytest.fixture(autouse=True)
def project_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)


def study(name: str) -> Study:
    """A shipped study, laid over the article's."""
    return load_study([PROJECT / "config.yaml", PROJECT / "workflow" / "studies" / f"{name}.yaml"])


def article() -> Study:
    """The article's study."""
    return load_study([PROJECT / "config.yaml"])


def test_the_article_is_the_articles_study() -> None:
    resolved = article()
    assert resolved.name == "article"
    assert resolved.sizes == (50_000, 20_000, 10_000, 5_000, 1_000, 500, 250, 100)
    assert resolved.methods == ("non", "data-mix", "label-mix")
    assert len(resolved.cells) == 24
    assert len({cell.value.fingerprint for cell in resolved.cells}) == 24
    iterations = {cell.size: cell.value.iterations for cell in resolved.cells}
    assert iterations[50_000] == 100 * 391  # the last, smaller batch counts
    assert iterations[1_000] == 100 * 8
    assert (iterations[500], iterations[250], iterations[100]) == (117_000, 117_000, 40_000)
    assert resolved.cell("n100/data-mix/seed0").value.method.beta == (2.0, 1.0)
    assert resolved.cell("n100/non/seed0").value.method.beta is None


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in OVERLAYS])
def test_resolves_under_its_own_name(path: Path) -> None:
    resolved = study(path.stem)
    stated = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert resolved.name == path.stem == stated["study"]
    assert resolved.title == stated["title"]
    assert resolved.configuration["description"] == stated["description"]
    assert 0 < len(resolved.cells) <= MOST_CELLS
    assert Study.from_json(resolved.to_json()) == resolved


def test_the_expected_studies_are_there() -> None:
    assert {path.stem for path in OVERLAYS} == {
        "article-bf16",
        "article-even",
        "article-rows",
        "balance-digits",
        "balance-small",
        "balanced",
        "beta",
        "beta-digits",
        "beta-small",
        "budget-long",
        "budget-middle",
        "budget-short",
        "calmer-cosine",
        "calmer-decay-1e-3",
        "calmer-decay-5e-4",
        "calmer-digits-cosine",
        "calmer-digits-decay-1e-3",
        "calmer-digits-decay-5e-4",
        "calmer-small-cosine",
        "calmer-small-decay-1e-3",
        "calmer-small-decay-5e-4",
        "curve-digits",
        "curve-small",
        "demo",
        "dip-digits",
        "dip-digits-longer",
        "dip-small",
        "dip-small-longer",
        "laptop",
        "larger-share-digits",
        "larger-share-small",
        "longer",
        "methods",
        "methods-article",
        "methods-small",
        "own-folder",
        "own-images",
        "random-digits",
        "random-small",
        "replicated",
        "row-1000",
        "row-1000-each",
        "row-1000-larger-share",
        "row-5000-even",
        "small-end",
        "weight-digits",
        "weight-small",
    }


def test_demo_is_small_and_needs_no_download() -> None:
    demo = study("demo")
    assert demo.dataset == "digits"
    assert demo.configuration["published"] is None
    assert len(demo.cells) == 36
    assert all(cell.value.budget.unit == "iterations" for cell in demo.cells)
    assert max(cell.value.iterations for cell in demo.cells) <= 1_000
    assert not any(cell.value.recipe.flip for cell in demo.cells)


def test_demo_stays_small_whatever_budgets_the_articles_study_has(tmp_path: Path) -> None:
    """Somebody who tries other budgets in config.yaml must not wait for hours in the demonstration."""
    base = tmp_path / "config.yaml"
    text = (PROJECT / "config.yaml").read_text(encoding="utf-8")
    changed = text.replace("  500: {", "  1000: {epochs: 5000}\n  20000: {epochs: 5000}\n  500: {")
    assert changed != text
    base.write_text(changed, encoding="utf-8")
    demo = load_study([base, PROJECT / "workflow" / "studies" / "demo.yaml"])
    assert max(cell.value.iterations for cell in demo.cells) <= 1_000


def test_laptop_keeps_the_published_numbers_beside() -> None:
    laptop = study("laptop")
    assert laptop.dataset == "cifar10"
    assert laptop.configuration["published"] == "workflow/published/article.yaml"
    assert max(cell.size for cell in laptop.cells) <= 500


def test_replicated_is_the_article_but_for_seeds_and_draws() -> None:
    resolved, base = study("replicated").configuration, article().configuration
    differing = {key for key in base if resolved[key] != base[key]}
    assert differing == {"study", "title", "description", "subsets", "seeds"}
    assert resolved["subsets"]["sizes"] == base["subsets"]["sizes"]


@pytest.mark.parametrize("name", ["replicated", "balanced", "demo"])
def test_methods_of_a_seed_share_images_that_no_other_seed_has(name: str) -> None:
    """With one subset for all seeds, pairing may remove no scatter at all, and intervals leave the draw out."""
    resolved = study(name)
    for size in resolved.sizes:
        cells = [cell for cell in resolved.cells if cell.size == size]
        assert {(cell.seed, cell.value.subset.seed) for cell in cells} == {(seed, seed) for seed in resolved.seeds}


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in OVERLAYS])
def test_a_hypothesis_is_declared_only_with_seeds_enough(path: Path) -> None:
    resolved = study(path.stem)
    rows = compare_methods(resolved, ())
    declared = [row for row in rows if row.role == "declared"]
    # It is about mixing images and labels.
    assert len(declared) == (len(resolved.seeds) >= 6 and "label-mix" in resolved.methods)


def test_the_seeds_of_replicated_decide_after_the_correction_for_every_size_and_pair() -> None:
    resolved = study("replicated")
    rows = compare_methods(resolved, ())
    family = [row for row in rows if row.size is not None and row.selection == "best"]
    assert len(resolved.seeds) == 10
    assert len(family) * smallest_p_value(len(resolved.seeds)) < 0.05


def test_balanced_differs_from_replicated_in_the_subsets_alone() -> None:
    balanced, replicated = study("balanced").configuration, study("replicated").configuration
    differing = {key for key in balanced if balanced[key] != replicated[key]}
    assert differing == {"study", "title", "description", "subsets", "compare_with"}
    assert (balanced["subsets"]["rule"], replicated["subsets"]["rule"]) == ("balanced", "random")
    assert set(balanced["subsets"]["sizes"]) < set(replicated["subsets"]["sizes"])


def test_longer_changes_only_two_sizes() -> None:
    known = {cell.value for cell in article().cells}
    new = [cell for cell in study("longer").cells if cell.value not in known]
    assert {cell.size for cell in new} == {1_000, 100}
    assert {cell.value.iterations for cell in new} == {117_000}


def test_beta_pairs_every_label_mix_with_its_equal_in_expectation() -> None:
    """Beta(a, a) on images and labels and Beta(a + 1, a) on images alone have the same expected loss."""
    methods = study("beta").configuration["methods"]
    mixed = {tuple(method["beta"]) for method in methods.values() if method["mix"] == "images-and-labels"}
    alone = {tuple(method["beta"]) for method in methods.values() if method["mix"] == "images"}
    assert alone == {(first + 1, second) for first, second in mixed}
    assert len(alone) == 5


def test_own_images_name_their_own_folder_of_arrays() -> None:
    own = study("own-images")
    assert own.dataset == own.configuration["dataset"]["image-list"]["identifier"]
    assert own.cells[0].value.dataset.image_size == 32


def test_only_the_articles_reading_keeps_a_small_last_batch() -> None:
    """A copy of own-images, and whatever else does not follow the article, must not inherit the article's remainder."""
    assert article().configuration["recipe"]["last_batch"] == "keep"
    assert article().small_remainders == {5000: 8}
    for name in ("replicated", "balanced", "longer", "beta"):
        assert study(name).configuration["recipe"]["last_batch"] == "keep"
    for name in ("article-even", "demo", "laptop", "own-images"):
        resolved = study(name)
        assert resolved.configuration["recipe"]["last_batch"] == "even"
        assert resolved.small_remainders == {}
        for cell in resolved.cells:
            sizes = list(cell.value.epoch_batches)
            assert max(sizes) - min(sizes) <= 1


def test_article_even_differs_from_the_article_in_the_batches_alone() -> None:
    ours, theirs = study("article-even"), article()
    differing = {key for key in ours.configuration if ours.configuration[key] != theirs.configuration[key]}
    assert differing == {"study", "title", "description", "recipe", "compare_with"}
    assert {**ours.configuration["recipe"], "last_batch": "keep"} == theirs.configuration["recipe"]
    pairs = list(zip(ours.cells, theirs.cells, strict=True))
    # 100 images are one batch either way: one training for both studies.
    assert {mine.size for mine, other in pairs if mine.value == other.value} == {100}
    assert all(mine.value.iterations == other.value.iterations for mine, other in pairs)


@pytest.mark.parametrize("name", ["demo", "laptop", "own-images", "article"])
def test_the_last_tenth_is_read_often_enough_for_a_median(name: str) -> None:
    resolved = article() if name == "article" else study(name)
    counts = {cell.value.evaluation_moments.count_in_last_tenth for cell in resolved.cells}
    assert min(counts) >= 5
    assert max(counts) <= (30 if name == "article" else 10)


COMMENT = re.compile(r"# (\w+) evaluations in the last tenth")
COMMENTED = [path for path in OVERLAYS if COMMENT.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", COMMENTED, ids=lambda path: path.stem)
def test_a_comment_on_the_last_tenth_counts_right(path: Path) -> None:
    """It may leave out sizes whose budgets are longer."""
    said = COMMENT.search(path.read_text(encoding="utf-8"))
    assert said is not None
    cells = load_study([PROJECT / "config.yaml", path]).cells
    assert said[1] in {spelt_out(cell.value.evaluation_moments.count_in_last_tenth) for cell in cells}


def test_the_article_in_bf16_differs_in_its_precision_alone() -> None:
    """It must not pass for the study article: no cell of one may be taken for a cell of the other."""
    resolved, base = study("article-bf16"), article()
    differing = {key for key in base.configuration if resolved.configuration[key] != base.configuration[key]}
    assert differing == {"study", "title", "description", "recipe", "compare_with"}
    for cell, other in zip(resolved.cells, base.cells, strict=True):
        assert replace(cell.value, recipe=replace(cell.value.recipe, precision="fp32")) == other.value
        assert cell.value.recipe.precision == "bf16"
        assert cell.value.fingerprint != other.value.fingerprint
