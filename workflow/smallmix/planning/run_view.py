"""What the rules tell of the run that Snakemake has begun, and what every run says at its end.

The logger plugin shows a run without knowing the study. The rules know it, and keep it here for this process.
"""

from __future__ import annotations

import html
import re
import shutil
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from smallmix.study.layout import SO_FAR, Layout
from smallmix.tables.columns import SELECTIONS

MOST_REASONS = 5  # in the lines of a dry run
_VERDICT = re.compile(r'<p class="verdict">(.*?)</p>', re.DOTALL)


@dataclass(frozen=True)
class CurrentRun:
    """A run of a study: its paths, and the command that continues it, as it was typed."""

    layout: Layout
    command: str

    @property
    def declared_metric(self) -> str:
        """Return the name in metrics.json of the test accuracy that the study declares."""
        return SELECTIONS[self.layout.study.selection]

    def reasons(self, cells: Collection[str]) -> list[str]:
        """Return why these cells, named by their ids, are to run: one line for each reason, the most frequent first."""
        from smallmix.tables.collect import find_statuses

        known = find_statuses(self.layout)
        found: Counter[str] = Counter()
        for one in (known[cell] for cell in cells if cell in known):
            if one.status == "stored":
                found["trained before, and taken from the store"] += 1
            elif one.status == "stale":
                found[f"outdated: {one.reason}"] += 1
        lines = [f"{count:,} {reason}" for reason, count in found.most_common(MOST_REASONS)]
        more = len(found) - MOST_REASONS
        return [*lines, *([f"and {more:,} further reasons: see smallmix status"] if more > 0 else [])]

    def closing_lines(self) -> list[str]:
        """Return the answer's sentence and where the report is; nothing where there is no report."""
        page = self.layout.report / "report.html"
        answer = read_answer(page)
        return [*([answer] if answer else []), *([f"the report: {page}"] if page.exists() else [])]


_current: list[CurrentRun] = []


def announce(run: CurrentRun) -> None:
    """Keep the run of this process."""
    _current[:] = [run]


def current() -> CurrentRun | None:
    """Return the run of this process; None where the rules have announced none."""
    return _current[0] if _current else None


def read_answer(page: Path) -> str | None:
    """Return the sentence that answers the study's question, from its report; None where there is none."""
    try:
        found = _VERDICT.search(page.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", found[1])).split()) if found else None


def has_news(layout: Layout) -> bool:
    """Return whether a cell finished or failed since the page of what there is so far was made."""
    try:
        made = (layout.report / SO_FAR / "report.html").stat().st_mtime_ns
    except OSError:
        made = 0
    for cell in layout.study.cells:
        for name in ("metrics.json", "failure.json"):
            try:
                if (layout.cell(cell) / name).stat().st_mtime_ns > made:
                    return True
            except OSError:
                continue
    return False


def remove_so_far(layout: Layout) -> None:
    """Remove the page of what there was so far, with its tables: the study is complete."""
    for folder in (layout.results / SO_FAR, layout.report / SO_FAR):
        shutil.rmtree(folder, ignore_errors=True)
