"""MODEL_CARD.md: what a study's trained networks are, and are not, good for, from its tables.

The sections are those of Mitchell et al. (2019), "Model Cards for Model Reporting": what it is, data, training, metrics
with intervals, limits, and how to load it. The numbers are of the end of the budget, which is when a network is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from smallmix.report.method_section import compose_protocol
from smallmix.report.runs_section import hardware_sentences
from smallmix.report.summary_section import missing_class_notes
from smallmix.report.table_formats import escape_markdown
from smallmix.tables.study_tables import FEWEST_FOR_AN_INTERVAL, SeedMean, StudyTables
from smallmix.training.network_costs import network_cost
from smallmix.wording import NO_NUMBER, count_of, joined, number, percent_number

CARD_FILE = "MODEL_CARD.md"
# Of the report's section of methods, what concerns the data and the training.
OF_DATA = ("Images", "Subsets")
OF_TRAINING = ("Methods", "Network", "Training", "Last batch", "Budget")
# Metrics of the kept network: name in summary.csv, head of the column, and whether it is shown in percent.
METRICS = (
    ("final_test_accuracy", "test accuracy, %", True),
    ("expected_calibration_error", "expected calibration error, %", True),
    ("negative_log_likelihood", "negative log-likelihood, nats", False),
)
CLASSES_NAMED = 20


@dataclass(frozen=True)
class KeptNetwork:
    """A trained network that goes along: the cell's id, the sha256 of its weights, the size of its file in bytes."""

    cell: str
    weights_sha256: str
    size: int


def describe_networks(tables: StudyTables, networks: Mapping[str, KeptNetwork]) -> str:
    """Return the model card as Markdown. `networks` are those that go along, by the names of their files."""
    protocol = dict(compose_protocol(tables))
    parts = [
        f"# Model card: {escape_markdown(tables.study.title)}",
        "## What it is",
        _what_it_is(tables, networks),
        "## Data",
        _rows(protocol, OF_DATA),
        *_warnings(tables),
        "## Training",
        _rows(protocol, OF_TRAINING),
        "Computed: " + " ".join(map(escape_markdown, hardware_sentences(tables))),
        "## Metrics",
        _metrics(tables),
        "## Limits",
        "\n".join(f"- {limit}" for limit in _limits(tables)),
        "## How to load",
        _how_to_load(tables, networks),
    ]
    return "\n\n".join(parts) + "\n"


def _what_it_is(tables: StudyTables, networks: Mapping[str, KeptNetwork]) -> str:
    study = tables.study
    cell = study.cells[0].value
    text = (
        f"{count_of(len(study.cells), 'network')} of the study {study.name}, one for each of "
        f"{count_of(len(study.sizes), 'training-set size')}, {count_of(len(study.methods), 'method')} and "
        f"{count_of(len(study.seeds), 'seed')}: image classifiers of the form {escape_markdown(cell.model.name)}"
    )
    dataset = tables.dataset
    if dataset is not None:
        height, width, channels = dataset.image_shape
        names = [escape_markdown(name) for name in dataset.classes[:CLASSES_NAMED]]
        more = f" and {len(dataset.classes) - CLASSES_NAMED:,} more" if len(dataset.classes) > CLASSES_NAMED else ""
        shown = f"{', '.join(names)}{more}" if more else joined(names)
        weights = network_cost(cell.model, height, channels, len(dataset.classes)).parameters
        text += (
            f" with {weights:,} trained weights. Each takes images of {height} x {width} pixels in "
            f"{count_of(channels, 'channel')} and tells {count_of(len(dataset.classes), 'class', 'classes')} apart: "
            f"{shown}"
        )
    versions = joined(tables.versions_of("smallmix")) or "an unknown version"
    along = "The networks themselves are not in this folder."
    if networks:
        along = f"{count_of(len(networks), 'network')} lie{'s' if len(networks) == 1 else ''} in `networks/`."
    return (
        f"{text}.\n\nThey were trained by smallmix {versions} to measure how much mixing images helps. What is "
        f"described here is how they were at the end of their budgets. {along}"
    )


def _rows(protocol: Mapping[str, str], names: tuple[str, ...]) -> str:
    return "\n".join(f"- {name}: {escape_markdown(protocol[name])}" for name in names if name in protocol)


def _warnings(tables: StudyTables) -> list[str]:
    known = [*(tables.dataset.warnings if tables.dataset else ()), *missing_class_notes(tables)]
    return ["Known about the images:\n\n" + "\n".join(f"- {escape_markdown(one)}" for one in known)] if known else []


def _metrics(tables: StudyTables) -> str:
    seeds = len(tables.study.seeds)
    intervals = "with its 95 % interval (Student's t)" if seeds >= FEWEST_FOR_AN_INTERVAL else "without an interval"
    lines = [
        f"{_test_images(tables)}mean over {count_of(seeds, 'seed')} {intervals}.",
        "",
        "| training images | method | " + " | ".join(head for _, head, _ in METRICS) + " |",
        "|---:|---|" + "---:|" * len(METRICS),
    ]
    for size in tables.study.sizes:
        for method in tables.study.methods:
            means = [_mean(tables.mean_of(name, size, method), in_percent) for name, _, in_percent in METRICS]
            lines.append(f"| {size:,} | {escape_markdown(method)} | " + " | ".join(means) + " |")
    return "\n".join(lines)


def _test_images(tables: StudyTables) -> str:
    return "Test images: " if tables.dataset is None else f"On {count_of(tables.dataset.test_count, 'test image')}, "


def _mean(mean: SeedMean, in_percent: bool) -> str:
    if not mean.seeds:
        return NO_NUMBER
    shown = percent_number if in_percent else number
    interval = f" ({shown(mean.low)} to {shown(mean.high)})" if mean.has_interval else ""
    return f"{shown(mean.mean)}{interval}"


def _limits(tables: StudyTables) -> list[str]:
    sizes = tables.study.sizes
    few = f"{min(sizes):,}" if len(sizes) == 1 else f"{min(sizes):,} to {max(sizes):,}"
    return [
        f"They saw {few} training images. They are made to compare methods, not to be used where an error does harm.",
        "They know these classes alone. An image of anything else gets one of their labels, often with a high "
        "probability.",
        "Images must be like those of the data set: an image of another size or shape is brought to theirs, and loses "
        "what does not fit.",
        "The intervals are over seeds. They cover neither the choice of the test images nor images from elsewhere.",
        "The probabilities are those of the network's softmax, not calibrated further: the table says how far they are "
        "off.",
        "Differences between groups of people or places were not measured.",
    ]


def _how_to_load(tables: StudyTables, networks: Mapping[str, KeptNetwork]) -> str:
    name = tables.study.name
    if not networks:
        place = f"{name} {tables.study.cells[0].id}"
        return (
            "A study keeps its networks with `keep: {weights: final}` in its configuration. Each then lies in its "
            f"cell's folder, as `model.safetensors`, and labels images:\n\n```sh\nsmallmix predict {place} photos/\n```"
        )
    first = next(iter(networks))
    rows = [f"| `{file}` | {one.cell} | {one.size:,} | `{one.weights_sha256}` |" for file, one in networks.items()]
    return "\n".join(
        [
            "| file | cell | bytes | sha256 of the weights |",
            "|---|---|---:|---|",
            *rows,
            "",
            "Each file is in the format safetensors, which runs nothing when it is read. It holds all that is needed "
            "to use it: class names, image shape and normalisation, and the cell's value.",
            "",
            "```sh",
            f"smallmix predict {first} photos/ --output labels.csv",
            "```",
            "",
            "```python",
            "from pathlib import Path",
            "",
            "from smallmix.training.weights import read_weights",
            "",
            f'network = read_weights(Path("{first}"))',
            "model = network.build()  # a torch.nn.Module in evaluation mode",
            "network.description.classes, network.description.mean, network.description.deviation",
            "```",
        ]
    )
