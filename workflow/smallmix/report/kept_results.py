"""A finished study's numbers in a few small files for version control: no image, no checkpoint, no network.

Beside them: configuration, command, data, hardware, versions and selection rule, to trust and redo them, and a model
card. Trained networks are kept only if they are asked for. The folder is a run crate (ro-crate-metadata.json), and its
subsets have Croissant metadata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from smallmix.errors import SmallmixError
from smallmix.project_files import PROJECT
from smallmix.report.citation import read_citation
from smallmix.report.croissant import CROISSANT_FILE, choose_subsets, describe_subsets, subset_places
from smallmix.report.model_card import CARD_FILE, KeptNetwork, describe_networks
from smallmix.report.page import render_page
from smallmix.report.run_crate import CRATE_FILE, WORKFLOW_FILE, describe_run
from smallmix.report.runs_section import hardware_sentences, provenance_rows
from smallmix.study.layout import kept_network_file
from smallmix.study.own_images import own_images
from smallmix.study.study import Study, cell_id
from smallmix.tables.columns import SELECTIONS, VALIDATION
from smallmix.tables.study_tables import StudyTables
from smallmix.tables.thinning import POINTS_PER_LINE, thin_curve
from smallmix.wording import NO_NUMBER, count_of, joined, percent_number

LARGEST = 5_000_000  # bytes, all files together
COPIED = (
    "study.json",
    "metrics.csv",
    "summary.csv",
    "comparison.csv",
    "claims.csv",
    "subset_table.csv",
    "provenance.json",
)
# What was kept before there were these lacks them. confusion.csv is not kept: of a hundred classes it takes megabytes.
ALSO_COPIED = (
    *("per_class.csv", "class_summary.csv", "class_balance.csv", "subset_scatter.csv"),
    *("own_metrics.csv", "own_metric_summary.csv"),
)
SHOWS_IMAGES = "methods_preview"
LARGE = "confusion_matrices"  # a tenth of a page, and its table is not kept either
# What the table of accuracies calls a selection, and what it is.
RULES = {
    "best": ("best", "the highest test accuracy of the run, chosen on the test set"),
    "last": ("last", "the test accuracy at the end of the budget, which was not chosen by a result"),
    "last_tenth": (
        "last tenth",
        "the median of the evaluations in the last tenth of the budget, which was not chosen by a result",
    ),
    "validation": (
        "at best validation",
        "the test accuracy at the best validation accuracy of the run, which was not chosen on the test set",
    ),
}


def kept_files(
    tables: StudyTables,
    source: Path,
    figures: Path,
    command: str,
    along: Mapping[str, bytes] = MappingProxyType({}),
    networks: Mapping[str, Path] = MappingProxyType({}),
) -> dict[str, bytes]:
    """Return the files to keep, by name. `source` is the study's folder of tables, `figures` that of its drawn figures.

    `along` are the configuration files and the user's code that go with them. `networks` are files of trained networks
    to keep, by the ids of their cells. A name may begin with a folder: subsets/n100.csv.
    Raises SmallmixError where the study is not finished, where a network is damaged, where a file of `along` has the
    name of another one, or where the files, but for the networks, are larger than 5 MB.
    """
    waiting = _cells_without_result(tables)
    if waiting:
        state = f"{len(waiting)} of {len(tables.study.cells)} cells have no current result, such as {waiting[0]}"
        if tables.cells.empty:
            state = "its results have not been collected yet"
        raise SmallmixError(f"study {tables.study.name} is not finished ({state}). Run it to its report first.")
    files = {name: _read(source / name) for name in (*COPIED, *ALSO_COPIED) if (source / name).exists()}
    files["history.csv"] = thin_history(tables.history).to_csv(index=False, lineterminator="\n").encode()
    left_out = {
        SHOWS_IMAGES: "left out here, because it shows images of the data set",
        LARGE: "left out here for its size. The report of a run of the study has it",
    }
    # One form of each figure: a page for phones as well would be half as large again.
    files["report.html"] = render_page(tables, figures, left_out=left_out, for_phones=False).encode()
    weights = {kept_network_file(place): _read(path) for place, path in networks.items()}
    described = {kept_network_file(place): _describe_network(place, path) for place, path in networks.items()}
    own_code = [name for name in along if name.endswith(".py")]
    files["README.md"] = describe_kept(tables, command, len(networks), own_code).encode()
    files[CARD_FILE] = describe_networks(tables, described).encode()
    subsets = choose_subsets({name: _read(source / name) for name in subset_places(tables.study)})
    citation = read_citation()
    files |= subsets
    if tables.study.validation_images:
        files[VALIDATION.file] = _read(source / VALIDATION.file)
    files[CROISSANT_FILE] = describe_subsets(tables, subsets, citation).encode()
    files[WORKFLOW_FILE] = _read(PROJECT / WORKFLOW_FILE)
    if taken := sorted(along.keys() & {*files, CRATE_FILE}):
        raise SmallmixError(
            f"{', '.join(taken)}: your file of the study would lie where smallmix writes its own. Rename your file."
        )
    files |= along
    files[CRATE_FILE] = describe_run(tables, {**files, **weights}, command, citation, along).encode()
    size = sum(map(len, files.values()))
    if size > LARGEST:
        largest = max(files, key=lambda name: len(files[name]))
        raise SmallmixError(
            f"the results of {tables.study.name} would take {size / 1e6:.1f} MB, most of it {largest}; "
            f"{LARGEST / 1e6:.0f} MB are the limit. Keep a study with fewer cells."
        )
    return {**files, **weights}


def _cells_without_result(tables: StudyTables) -> list[str]:
    """Return the ids of the study's cells that are not current in cells.csv, or have no row of metrics.csv."""
    current = tables.cells[tables.cells["status"] == "current"]
    ids: list[set[str]] = [
        {
            cell_id(size, method, seed)
            for size, method, seed in zip(frame["size"], frame["method"], frame["seed"], strict=True)
        }
        for frame in (current, tables.metrics)
    ]
    return [cell.id for cell in tables.study.cells if not all(cell.id in known for known in ids)]


def _describe_network(place: str, path: Path) -> KeptNetwork:
    from smallmix.training.weights import read_weights

    return KeptNetwork(place, read_weights(path).description.weights_sha256, path.stat().st_size)


def thin_history(history: pd.DataFrame, limit: int = POINTS_PER_LINE) -> pd.DataFrame:
    """Keep at most `limit` rows of each cell: the first, the last, each stretch's extremes of test accuracy."""
    parts = []
    for _, curve in history.groupby(["size", "method", "seed"], sort=False):
        chosen, _ = thin_curve(curve["iteration"], curve["test_accuracy"], limit)
        parts.append(curve[curve["iteration"].isin(chosen)])
    return pd.concat(parts) if parts else history


def describe_kept(tables: StudyTables, command: str, networks: int = 0, own_code: Sequence[str] = ()) -> str:
    """Return the README of the folder: what was run, on what, and what came out. `own_code` are the user's files."""
    study = tables.study
    validation = ", and the validation images" if study.validation_images else ""
    rows: Mapping[str, str] = {
        "Data": tables.dataset_title,
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
        f"Test accuracy in percent, {' / '.join(RULES[rule][0] for rule in _rules_shown(study))}, mean over "
        f"{len(study.seeds)} seed{'s' if len(study.seeds) > 1 else ''}. {_explain_rules(tables)}",
        "",
        "| training images | " + " | ".join(_cell(method) for method in study.methods) + " |",
        "|---:|" + "---:|" * len(study.methods),
        *(_accuracy_row(tables, size) for size in study.sizes),
        "",
        "`report.html` is the whole report (without two figures: of images of the data set, and of what "
        "classes are taken for), `metrics.csv` has "
        f"one row per run, `history.csv` its evaluations (at most {POINTS_PER_LINE} per run), `summary.csv`, "
        "`comparison.csv`, `claims.csv` and `subset_scatter.csv` the statistics, `per_class.csv`, `class_summary.csv` "
        "and `class_balance.csv` the accuracy on each class, `own_metrics.csv` and `own_metric_summary.csv` the "
        "metrics that the configuration adds, `study.json` the configuration, `provenance.json` machines, "
        f"versions and times. `{CARD_FILE}` is the model card of the trained networks. `subsets/` lists the training "
        f"images of the smallest subsets, up to a total size, which `{CROISSANT_FILE}` describes{validation}. "
        f"`{CRATE_FILE}` makes the folder a Workflow Run Crate, with the size and sha256 of every file."
        f"{_own_code_sentence(own_code)}",
        "",
        _what_is_not_kept(study, networks),
        "",
        "| what identifies them | |",
        "|---|---|",
        *(f"| {_cell(name)} | {_cell(value)} |" for name, value in provenance_rows(tables)),
    ]
    return "\n".join(lines) + "\n"


def _own_code_sentence(own_code: Sequence[str]) -> str:
    if not own_code:
        return ""
    files = joined([f"`{name}`" for name in own_code])
    return f" The study has own code in {files}, which smallmix does not bring: its configuration finds it there."


def _rules_shown(study: Study) -> list[str]:
    """Return the selections of the table of accuracies: the declared one, and the median of the last tenth."""
    return list(dict.fromkeys([study.selection, "last_tenth"]))


def _explain_rules(tables: StudyTables) -> str:
    article = ", as the article chose it" if tables.published else ""
    rules = _rules_shown(tables.study)
    text = "; ".join(f"*{RULES[rule][0]}* is {RULES[rule][1]}{article if rule == 'best' else ''}" for rule in rules)
    return f"*{text[1].upper()}{text[2:]}."


def _what_is_not_kept(study: Study, networks: int) -> str:
    """Say what a reader would need beside these files to check or redo the numbers."""
    text = (
        "Not kept: images, predictions and weights. So the calibration and what classes are taken for cannot be "
        "computed anew."
    )
    if networks:
        text = (
            f"Of {count_of(len(study.cells), 'trained network')}, {networks:,} {'is' if networks == 1 else 'are'} kept "
            "in `networks/`. Not kept: images, predictions and the other weights."
        )
    if study.weights_file:
        sha256 = study.configuration["model"]["parameters"]["weights_sha256"]
        text += (
            f" The network begins with the weights in `{Path(study.weights_file).name}` (sha256 {sha256}). The command "
            "needs that file at the path that the configuration names."
        )
    if own_images(study.configuration["dataset"]) is None:
        return text
    return (
        f"{text} The images are files of the study's owner, without an address to get them from: only someone "
        "with the same files (the checksums are below) can train these runs again."
    )


def _accuracy_row(tables: StudyTables, size: int) -> str:
    entries = []
    for method in tables.study.methods:
        means = [tables.mean_of(SELECTIONS[rule], size, method) for rule in _rules_shown(tables.study)]
        text = " / ".join(percent_number(mean.mean) for mean in means)
        entries.append(text if means[0].seeds else NO_NUMBER)
    return f"| {size:,} | " + " | ".join(entries) + " |"


def _cell(text: str) -> str:
    """Return text that cannot break out of a table's cell."""
    return " ".join(text.replace("|", r"\|").split())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SmallmixError(f"cannot read {path}: {error}.") from error
