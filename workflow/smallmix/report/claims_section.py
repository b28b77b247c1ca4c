"""The section of claims: conclusions and numbers of the source beside what was found, with their verdicts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from smallmix.report.tables_section import Entry, TableView
from smallmix.statistics.answers import begun
from smallmix.statistics.protocol import SEE_PROTOCOL
from smallmix.tables.study_tables import StudyTables
from smallmix.wording import MINUS

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

# A yes is no better than a no.
QUESTION_MARKS = {"undecided": "warn"}
NOT_ANSWERED = "not answered"

_NEGATIVE = re.compile(r"(?<![\w.])-(?=\d)")


@dataclass(frozen=True)
class ClaimView:
    """One conclusion of the source, what was found here, the verdict and its reason."""

    statement: str
    found: str
    verdict: str
    mark: str
    reason: str


def compose_claims(tables: StudyTables) -> list[ClaimView]:
    """Return the claims of claims.csv, in its order."""
    chosen = tables.claims[tables.claims["kind"] == "claim"]
    return [
        ClaimView(
            statement=row["statement"],
            found=_with_minus(row["found"]),
            verdict=row["verdict"],
            mark=VERDICT_MARKS.get(row["verdict"], "quiet"),
            reason=_as_sentence(_with_minus(_on_the_page(row["reason"]))),
        )
        for row in chosen.to_dict("records")
    ]


def open_questions(tables: StudyTables) -> tuple[list[ClaimView], list[str]]:
    """Return the questions that the source leaves open and this study answers, then the others with what they need."""
    rows = tables.claims[tables.claims["kind"] == "question"].to_dict("records")
    answered = [
        ClaimView(row["statement"], row["found"], row["verdict"], QUESTION_MARKS.get(row["verdict"], ""), row["reason"])
        for row in rows
        if row["verdict"] != NOT_ANSWERED
    ]
    return answered, [f"{row['statement']} {row['reason']}" for row in rows if row["verdict"] == NOT_ANSWERED]


def _on_the_page(reason: str) -> str:
    """Refer to the section of deviations, which says how the study differs, and not to a row of claims.csv."""
    return reason.replace(SEE_PROTOCOL, "(see Deviations and interpretations)")


def _as_sentence(text: str) -> str:
    return begun(text) + ("." if text and text[-1] not in ".)" else "")


def _with_minus(text: str) -> str:
    """Return the text with true minus signs; claims.csv has those that programs read."""
    return _NEGATIVE.sub(MINUS, text)


def verdict_counts(tables: StudyTables, kind: str) -> list[tuple[str, str, int]]:
    """Return (verdict, mark, how many) of one kind of row, the best verdicts first."""
    verdicts = list(tables.claims[tables.claims["kind"] == kind]["verdict"])
    return [(one, mark, verdicts.count(one)) for one, mark in VERDICT_MARKS.items() if one in verdicts]


def numbers_view(tables: StudyTables) -> TableView | None:
    """Return each published number and gain, what was found, the difference, the tolerance and the verdict."""
    chosen = tables.claims[tables.claims["kind"].isin(["number", "gain"])]
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
                Entry(_on_the_page(row["reason"])),
            )
            for row in chosen.to_dict("records")
        ),
    )
