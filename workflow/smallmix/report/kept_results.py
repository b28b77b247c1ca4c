"""A finished study's numbers in a few small files, to be kept in version control: no image, no checkpoint, no network.

What it takes to trust and redo them stands beside: configuration, command, data, hardware, versions, selection rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from smallmix.errors import SmallmixError
from smallmix.figures.figure_text import NO_NUMBER
from smallmix.figures.study_tables import StudyTables
from smallmix.figures.thinning import POINTS_PER_LINE, thin_curve
from smallmix.report.findings import hardware_sentences, provenance_rows
from smallmix.report.page import render_page
from smallmix.study.study import Study

LARGEST = 5_000_000  # bytes, all files together
COPIED = ("study.json", "metrics.csv", "comparison.csv", "claims.csv", "subset_table.csv", "provenance.json")
SHOWS_IMAGES = "methods_preview"
SELECTION = (
    "*Best* is the highest test accuracy of the run, chosen on the test set, as the article chose it; *last tenth* is "
    "the median of the readings in the last tenth of the budget, which nobody chose."
)


def _waiting(waiting: int, cells: int) -> str:
    if not cells:
        return "its results have not been collected yet"
    return f"{waiting} of {cells} cells have no current result"


def kept_files(tables: StudyTables, source: Path, figures: Path, command: str) -> dict[str, bytes]:
    """The files to keep, by name. `source` is the study's folder of tables, `figures` that of its drawn figures.

    Raises SmallmixError where the study is not finished or the files are larger than 5 MB.
    """
    waiting = tables.cells[tables.cells["status"] != "current"]
    if len(waiting) or tables.metrics.empty:
        raise SmallmixError(
            f"study {tables.study.name} is not finished ({_waiting(len(waiting), len(tables.cells))}). Run it to its "
            "report first."
        )
    files = {name: _read(source / name) for name in COPIED if (source / name).exists()}
    files["history.csv"] = thin_history(tables.history).to_csv(index=False, lineterminator="\n").encode()
    reason = "left out here, because it shows images of the data set"
    files["report.html"] = render_page(tables, figures, left_out={SHOWS_IMAGES: reason}).encode()
    files["README.md"] = describe_kept(tables, command).encode()
    size = sum(map(len, files.values()))
    if size > LARGEST:
        largest = max(files, key=lambda name: len(files[name]))
        raise SmallmixError(
            f"the results of {tables.study.name} would take {size / 1e6:.1f} MB, most of it {largest}; "
            f"{LARGEST / 1e6:.0f} MB are the limit. Keep a study with fewer cells."
        )
    return files


def thin_history(history: pd.DataFrame, limit: int = POINTS_PER_LINE) -> pd.DataFrame:
    """At most `limit` rows of each cell's history: the first, the last, each stretch's extremes of test accuracy."""
    parts = []
    for _, curve in history.groupby(["size", "method", "seed"], sort=False):
        chosen, _ = thin_curve(curve["iteration"], curve["test_accuracy"], limit)
        parts.append(curve[curve["iteration"].isin(chosen)])
    return pd.concat(parts) if parts else history


def describe_kept(tables: StudyTables, command: str) -> str:
    """The page that people meet first: what was run, on what, and what came out."""
    study = tables.study
    rows: Mapping[str, str] = {
        "Data": str(tables.dataset.get("title", study.dataset)),
        "Subsets": f"rule {study.configuration['subsets']['rule']}",
        "Seeds": ", ".join(map(str, study.seeds)),
        "Computed": " ".join(hardware_sentences(tables)),
        "Command": f"`{command}`",
    }
    lines = [
        f"# {study.title}",
        "",
        *([description, ""] if (description := str(study.configuration["description"]).strip()) else []),
        "| | |",
        "|---|---|",
        *(f"| {name} | {_cell(value)} |" for name, value in rows.items()),
        "",
        f"Test accuracy in percent, best / last tenth, mean over {len(study.seeds)} "
        f"seed{'s' if len(study.seeds) > 1 else ''}. {SELECTION}",
        "",
        "| training images | " + " | ".join(_cell(method) for method in study.methods) + " |",
        "|---:|" + "---:|" * len(study.methods),
        *(_accuracy_row(tables, size) for size in study.sizes),
        "",
        "`report.html` is the whole report (without the figure that shows images of the data set), `metrics.csv` has "
        f"a row a run, `history.csv` its readings (at most {POINTS_PER_LINE} a run), `comparison.csv` and `claims.csv` "
        "the statistics, `study.json` the configuration, `provenance.json` machines, versions and times.",
        "",
        _what_is_not_kept(study),
        "",
        "| what identifies them | |",
        "|---|---|",
        *(f"| {_cell(name)} | {_cell(value)} |" for name, value in provenance_rows(tables)),
    ]
    return "\n".join(lines) + "\n"


def _what_is_not_kept(study: Study) -> str:
    """What a reader would need beside these files to check or redo the numbers."""
    text = (
        "Not kept: images, predictions and weights, so the calibration and the last accuracy cannot be computed anew."
    )
    if study.configuration["dataset"]["name"] != "image-list":
        return text
    return (
        f"{text} The images are a list of the study's owner, without an address to get them from: only who has the "
        "same files (the checksums are below) can train these runs again."
    )


def _accuracy_row(tables: StudyTables, size: int) -> str:
    entries = []
    for method in tables.study.methods:
        runs = tables.seeds_of(size, method)
        best, last = (float(runs[f"{rule}_test_accuracy"].mean()) for rule in ("best", "last_tenth"))
        entries.append(NO_NUMBER if math.isnan(best) else f"{100 * best:.2f} / {100 * last:.2f}")
    return f"| {size:,} | " + " | ".join(entries) + " |"


def _cell(text: str) -> str:
    """Text that cannot break out of a table's cell."""
    return " ".join(text.replace("|", r"\|").split())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise SmallmixError(f"cannot read {path}: {fault}.") from fault
