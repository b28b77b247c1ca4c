"""Claims and published numbers with their verdicts, and the machines behind the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from smallmix.figures.figure_text import count_of
from smallmix.figures.study_tables import StudyTables
from smallmix.report.runs import duration
from smallmix.report.table_view import Entry, TableView

VERDICT_MARKS = {
    "reproduced": "good",
    "agrees here": "good",
    "agrees with the published number": "good",
    "undecided": "warn",
    "undecided here": "warn",
    "not reproduced": "bad",
    "disagrees here": "bad",
    "disagrees with the published number": "bad",
    "not tested": "quiet",
}


@dataclass(frozen=True)
class Claim:
    """One conclusion of the source, what was found here, the verdict and its reason."""

    identifier: str
    statement: str
    found: str
    verdict: str
    mark: str
    reason: str


def compose_claims(tables: StudyTables) -> list[Claim]:
    """The claims of claims.csv, in its order."""
    chosen = tables.claims[tables.claims["kind"] == "claim"]
    return [
        Claim(
            identifier=row["id"],
            statement=row["statement"],
            found=row["found"],
            verdict=row["verdict"],
            mark=VERDICT_MARKS.get(row["verdict"], "quiet"),
            reason=row["reason"],
        )
        for row in chosen.to_dict("records")
    ]


def verdict_counts(tables: StudyTables, kind: str) -> list[tuple[str, str, int]]:
    """(verdict, mark, how many) of one kind of row, the best verdicts first."""
    verdicts = list(tables.claims[tables.claims["kind"] == kind]["verdict"])
    return [(one, mark, verdicts.count(one)) for one, mark in VERDICT_MARKS.items() if one in verdicts]


def numbers_view(tables: StudyTables) -> TableView | None:
    """Each published number and gain, what was found, the difference, the tolerance and the verdict."""
    chosen = tables.claims[tables.claims["kind"] != "claim"]
    if chosen.empty:
        return None
    return TableView(
        name="table-numbers",
        caption="Each published number and each published gain over plain training beside ours, as judged.",
        columns=("Number", "Published", "Found", "Difference", "Tolerance", "Verdict", "Reason"),
        rows=tuple(
            (
                Entry(row["statement"] or row["id"]),
                *(Entry(row[key]) for key in ("published", "found", "difference", "tolerance")),
                Entry(row["verdict"], mark=VERDICT_MARKS.get(row["verdict"], "quiet")),
                Entry(row["reason"]),
            )
            for row in chosen.to_dict("records")
        ),
    )


def hardware_sentences(tables: StudyTables) -> list[str]:
    """One sentence a group of runs: device, versions, time."""
    sentences = []
    for group in tables.provenance.get("environments", []):
        place: dict[str, Any] = group.get("environment", {})
        device = str(place.get("device", "an unknown device"))
        processor = str(place.get("processor", "")).strip()
        machine = (
            f"{device} ({processor}, {count_of(int(place.get('threads', 1)), 'thread')})" if device == "cpu" else device
        )
        sentences.append(
            f"{len(group.get('cells', []))} runs on {machine}: torch {place.get('torch', '?')}, "
            f"Python {place.get('python', '?')}, {place.get('precision', '?')}, {place.get('platform', '?')}; "
            f"{duration(float(group.get('total_seconds', 0)))} of computing."
        )
    return sentences


def provenance_rows(tables: StudyTables) -> list[tuple[str, str]]:
    """(what, value) of everything that identifies code, data and configuration."""
    rows = [("Study", tables.study.name)]
    rows += [
        ("Code fingerprint of the trained runs", str(one)) for one in tables.provenance.get("code_fingerprints", [])
    ]
    rows += [(f"sha256 of {name}", str(value)) for name, value in sorted(tables.dataset.get("checksums", {}).items())]
    rows += [(f"Source of the images: {name}", str(value)) for name, value in tables.dataset.get("source", {}).items()]
    for place, group in enumerate(tables.provenance.get("environments", []), start=1):
        title = f"Environment {place}"
        rows += [(f"{title}: {key}", str(value)) for key, value in sorted(group.get("environment", {}).items())]
        rows.append((f"{title}: runs", str(len(group.get("cells", [])))))
        for key, words in (("first_started", "first run started"), ("last_started", "last run started")):
            if group.get(key):
                rows.append((f"{title}: {words}", str(group[key])))
        rows.append((f"{title}: computing time", duration(float(group.get("total_seconds", 0)))))
        if group.get("resumed_cells"):
            rows.append((f"{title}: interrupted and resumed runs", str(group["resumed_cells"])))
    return rows
