"""Published numbers and claims, read from a YAML file such as workflow/published/article.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from smallmix.errors import ConfigurationError
from smallmix.study.faults import Fault, message
from smallmix.study.plain_values import plain_value
from smallmix.study.schema_rules import load_schema, schema_faults, with_defaults
from smallmix.study.yaml_reading import read_yaml

PROJECT = Path(__file__).resolve().parents[3]  # the folder of the Snakefile


@dataclass(frozen=True)
class Reference:
    """Something that the source builds on."""

    title: str
    address: str


@dataclass(frozen=True)
class Source:
    """Where the numbers were published."""

    title: str
    original_title: str
    language: str
    note: str
    references: tuple[Reference, ...]


@dataclass(frozen=True)
class ClassCounts:
    """Images of the smallest and of the largest class in the subset of `size` images."""

    size: int
    smallest_class: int
    largest_class: int


@dataclass(frozen=True)
class Accuracies:
    """Test accuracies at one size, in percent, by method; and the source's own remark."""

    size: int
    percent: dict[str, float]
    remark: str


@dataclass(frozen=True)
class PublishedFigure:
    """A figure of the source, and the name of ours that answers it."""

    number: int
    shows: str
    ours: str


@dataclass(frozen=True)
class Claim:
    """A conclusion of the source; `judged_by` names the rule that judges it, `needs` says what a study must contain."""

    id: int
    title: str
    statement: str
    judged_by: str
    needs: str


@dataclass(frozen=True)
class Reading:
    """Something that the source leaves open, and how it is read here."""

    open: str
    decided: str


@dataclass(frozen=True)
class Published:
    """Everything a source reports. `selection` is how its accuracies were chosen: best, final or last_tenth."""

    source: Source
    selection: Literal["best", "final", "last_tenth"]
    class_counts: tuple[ClassCounts, ...]
    accuracies: tuple[Accuracies, ...]
    figures: tuple[PublishedFigure, ...]
    claims: tuple[Claim, ...]
    readings: tuple[Reading, ...]

    def percent(self, size: int, method: str) -> float | None:
        """The published test accuracy in percent, or None where the source has none."""
        for row in self.accuracies:
            if row.size == size:
                return row.percent.get(method)
        return None


def find_published(named: str | Path, root: Path = Path()) -> Path:
    """The file that a study names: below `root` or, for studies that run elsewhere, in the folder of the Snakefile."""
    here = root / named
    kept = PROJECT / named
    return kept if not here.is_file() and kept.is_file() else here


def load_published(path: Path) -> Published:
    """Read a file of published numbers. Raises ConfigurationError, whose one message lists all faults."""
    schema = load_schema("published.schema.yaml")
    read = read_yaml(Path(path))
    faults = list(read.faults)
    if read.value is None:
        raise ConfigurationError(message(faults, f"The file of published numbers {path}"))
    value = plain_value(read.value, schema, (), faults)
    faults += [
        Fault(fault.path, fault.text, read.place(fault.path))
        for fault in schema_faults(value, schema, {fault.path for fault in faults})
    ]
    if not faults:
        value = with_defaults(value, schema)
        for table, key in (("class_counts", "size"), ("accuracies", "size"), ("claims", "id"), ("figures", "number")):
            faults += _repeated(value[table], table, key)
    if faults:
        raise ConfigurationError(message(faults, f"The file of published numbers {path}"))
    source = value["source"]
    return Published(
        source=Source(**{**source, "references": tuple(Reference(**entry) for entry in source["references"])}),
        selection=value["selection"],
        class_counts=tuple(ClassCounts(**row) for row in value["class_counts"]),
        accuracies=tuple(Accuracies(**row) for row in value["accuracies"]),
        figures=tuple(PublishedFigure(**figure) for figure in value["figures"]),
        claims=tuple(Claim(**claim) for claim in value["claims"]),
        readings=tuple(Reading(**reading) for reading in value["readings"]),
    )


def _repeated(rows: Sequence[dict[str, Any]], table: str, key: str) -> list[Fault]:
    seen: set[Any] = set()
    faults = []
    for position, row in enumerate(rows):
        if row[key] in seen:
            faults.append(Fault((table, position, key), f"found {row[key]} a second time; delete one of the two"))
        seen.add(row[key])
    return faults
