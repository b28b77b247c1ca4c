"""Numbers that README and docs state are those of the kept results and of the default study."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from smallmix.study.configuration import load_configuration
from smallmix.study.study import Study

from tests.documentation_pages import DOCS, PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")
START = (DOCS / "index.md").read_text(encoding="utf-8")
REFERENCE = PROJECT / "reports" / "reference"
KEPT = REFERENCE / "curve-small"
SHOWN = ("100", "250", "500", "1000", "5000", "10000", "20000", "50000")
MINUS = "\N{MINUS SIGN}"
METHODS = ("non", "data-mix", "label-mix")


def percent(fraction: str) -> str:
    """Return a fraction of a table in percent, with two digits after the point: all that 10,000 images give."""
    return f"{100 * Decimal(fraction):.2f}"


def rows_of(path: Path, **wanted: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file that have these values."""
    with path.open(encoding="utf-8", newline="") as stream:
        yield from (row for row in csv.DictReader(stream) if wanted.items() <= row.items())


@pytest.mark.parametrize("page", [README, START], ids=["README", "start"])
@pytest.mark.parametrize("size", SHOWN)
def test_the_table_of_evidence_is_that_of_the_kept_results(page: str, size: str) -> None:
    means = {
        row["method"]: f"{100 * float(row['mean']):.1f}"
        for row in rows_of(KEPT / "summary.csv", size=size, metric="best_test_accuracy")
    }
    (gain,) = rows_of(KEPT / "comparison.csv", size=size, method="label-mix", reference="non", selection="best")
    difference, low, high = (100 * float(gain[column]) for column in ("difference", "low", "high"))
    gained = f"{difference:+.1f} ({low:.1f} to {high:.1f})".replace("-", MINUS)
    cells = [f"{int(size):,}", *(means[method] for method in METHODS), gained]
    assert f"| {' | '.join(cells)} |" in page


def gains_over_plain_training(study: str, selection: str) -> dict[tuple[int, str], tuple[float, float, float]]:
    """Return mean, low and high in points, by size and method."""
    found = {}
    for row in rows_of(REFERENCE / study / "comparison.csv", reference="non", selection=selection):
        if row["size"] != "all":
            mean, low, high = (100 * float(row[column]) for column in ("difference", "low", "high"))
            found[int(row["size"]), row["method"]] = (mean, low, high)
    return found


@pytest.mark.parametrize("page", [README, START], ids=["README", "start"])
def test_the_sentences_of_evidence_are_those_of_the_kept_results(page: str) -> None:
    said = " ".join(page.split())
    best, end = (gains_over_plain_training("curve-small", name) for name in ("best", "last_tenth"))
    assert all(low > 0 for (size, _), (_, low, _) in best.items() if size <= 500)
    assert "both ways of mixing are ahead of plain training with 100 to 500 images" in said
    (mean, low, _), (at_end, low_at_end, high_at_end) = best[1000, "label-mix"], end[1000, "label-mix"]
    assert low > 0 > low_at_end
    assert high_at_end > 0
    assert (
        f"With 1,000 images `label-mix` is ahead by {mean:.1f} points. By the median of the last tenth of each run "
        in said
    )
    assert f"of each run it is ahead by {at_end:.1f}, and that interval includes zero" in said
    assert all(mean < 0 for (size, _), (mean, _, _) in best.items() if size >= 5000)
    assert "From 5,000 images on, the means of both lie behind." in said


@pytest.mark.parametrize("page", [README, START], ids=["README", "start"])
def test_the_row_of_a_thousand_images_is_said_with_its_intervals(page: str) -> None:
    gains = gains_over_plain_training("row-1000", "best")
    parts = [
        f"`{method}` \N{MINUS SIGN} `non` {mean:+.1f} ({low:.1f} to {high:.1f})".replace("-", MINUS)
        for method in ("label-mix", "data-mix")
        for mean, low, high in [gains[1000, method]]
    ]
    said = f"Three seeds of its row of 1,000 give {', '.join(parts)}."
    assert said.replace(f"label{MINUS}mix", "label-mix").replace(f"data{MINUS}mix", "data-mix") in " ".join(
        page.split()
    )


@pytest.mark.parametrize("page", [README, START], ids=["README", "start"])
@pytest.mark.parametrize("size", ["1000", "5000", "10000"])
def test_the_rows_of_the_article_are_ours_and_the_published(page: str, size: str) -> None:
    kept = REFERENCE / "article-rows"
    cells = [f"{int(size):,}"]
    for method in METHODS:
        (ours,) = rows_of(kept / "summary.csv", size=size, method=method, metric="best_test_accuracy")
        (claim,) = rows_of(kept / "claims.csv", id=f"accuracy-n{size}-{method}")
        cells.append(f"{percent(ours['mean'])} / {claim['published']}")
    assert f"| {' | '.join(cells)} |" in page


@pytest.mark.parametrize("page", [README, START], ids=["README", "start"])
def test_the_row_in_batches_of_equal_size_is_that_of_the_kept_results(page: str) -> None:
    (non, images, labels) = (
        percent(row["mean"])
        for method in METHODS
        for row in rows_of(
            REFERENCE / "row-5000-even" / "summary.csv", size="5000", method=method, metric="best_test_accuracy"
        )
    )
    said = (
        f"In batches of equal size the row is {non}, {images} and {labels}, one seed: nearer to the article, and still"
    )
    assert said in " ".join(page.split())


def test_the_row_of_a_thousand_images_is_that_of_its_history() -> None:
    best = {
        method: max(
            100 * Decimal(row["test_accuracy"])
            for row in rows_of(DOCS / "row-1000" / "history.csv", network="preact-resnet18", method=method)
        )
        for method in METHODS
    }
    exact = " | ".join(f"{best[method]:.2f}" for method in METHODS)
    assert f"| `preact-resnet18` | {exact} |" in (DOCS / "network.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("study", ["article-rows", "row-1000"])
def test_the_page_on_the_network_has_the_rows_that_a_gpu_trained(study: str) -> None:
    means = [
        f"{100 * Decimal(row['mean']):.2f}"
        for method in METHODS
        for row in rows_of(REFERENCE / study / "summary.csv", size="1000", method=method, metric="best_test_accuracy")
    ]
    page = " ".join((DOCS / "network.md").read_text(encoding="utf-8").split())
    assert re.search(rf"{means[0]}, {means[1]} and {means[2]} \(`{study}`", page)


def test_the_article_has_as_many_cells_and_iterations_as_the_readme_says() -> None:
    study = Study.from_configuration(load_configuration([PROJECT / "config.yaml"]))
    iterations = sum(cell.value.iterations for cell in study.cells)
    sizes, methods = len(study.sizes), len(study.methods)
    assert f"{len(study.cells)} cells ({sizes} sizes \N{MULTIPLICATION SIGN} {methods} methods)" in README
    assert f", {iterations:,} iterations," in README


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 176
    assert not re.search(r";[^|\n]*;[^|\n]*;", README), "three semicolons in a line of prose are a chain"


def test_the_driver_is_that_of_the_locked_pytorch() -> None:
    """CUDA 13 needs driver 580 or newer (NVIDIA's table of CUDA versions and drivers)."""
    (version,) = re.findall(r"^nvidia-cuda-runtime==(\d+)\.", (PROJECT / "envs" / "lock.txt").read_text(), re.MULTILINE)
    pages = [README, *((PROJECT / "docs" / name).read_text("utf-8") for name in ("cluster.md", "troubleshooting.md"))]
    assert version == "13", "look up the driver that this version needs, and correct the pages"
    assert all("CUDA 13" in page and "580 or newer" in page for page in pages)
