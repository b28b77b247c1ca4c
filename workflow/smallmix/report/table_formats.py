"""A table of the page in other forms: plain text for a terminal, CSV, Markdown, and LaTeX with booktabs.

The fields are the texts of the page. Each form escapes what would be markup there.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence

from smallmix.report.tables_section import TableView
from smallmix.wording import MINUS, NO_NUMBER, visible_text

LONGEST_FIELD = 2_000  # characters
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    MINUS: r"$-$",
    NO_NUMBER: "--",
    "±": r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{NO-BREAK SPACE}": "~",
}
_MARKDOWN = {character: f"\\{character}" for character in "\\|*_`[]"} | {"<": "&lt;", "&": "&amp;"}


def heads(view: TableView) -> list[str]:
    """Return the heads of the columns, each with the group that stands above it."""
    groups = [label for label, span in view.groups for _ in range(span)] or [""] * len(view.columns)
    return [f"{group}: {column}" if group else column for group, column in zip(groups, view.columns, strict=True)]


def as_csv(view: TableView) -> str:
    """Return the table as CSV. Fields are the texts of the page, with a plain minus sign."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(heads(view))
    for row in view.rows:
        writer.writerow([_clean(entry.text).replace(MINUS, "-").replace("\N{NO-BREAK SPACE}", " ") for entry in row])
    return stream.getvalue()


def as_markdown(view: TableView) -> str:
    """Return the table as Markdown, its caption above it."""
    marks = ["---:" if view.numeric_column(place) else "---" for place in range(len(view.columns))]
    lines = [
        escape_markdown(view.caption),
        "",
        _markdown_line(map(escape_markdown, heads(view))),
        "|" + "|".join(marks) + "|",
        *(_markdown_line(escape_markdown(entry.text) for entry in row) for row in view.rows),
    ]
    return "\n".join(lines) + "\n"


def as_latex(view: TableView) -> str:
    """Return the table as LaTeX, a float that needs the package booktabs."""
    columns = "".join("r" if view.numeric_column(place) else "l" for place in range(len(view.columns)))
    lines = [
        "% Needs \\usepackage{booktabs}.",
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{escape_latex(view.caption)}}}",
        f"  \\label{{tab:{view.name.removeprefix('table-')}}}",
        f"  \\begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        *_latex_groups(view),
        _latex_line(view.columns),
        r"    \midrule",
        *(_latex_line([entry.text for entry in row]) for row in view.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def as_text(view: TableView) -> str:
    """Return the table for a terminal: numbers to the right, one line a row."""
    table = [heads(view), *([_clean(entry.text) for entry in row] for row in view.rows)]
    widths = [max(len(row[place]) for row in table) for place in range(len(view.columns))]
    right = [view.numeric_column(place) for place in range(len(view.columns))]

    def line(row: Sequence[str]) -> str:
        cells = zip(row, widths, right, strict=True)
        return "  ".join(text.rjust(width) if numeric else text.ljust(width) for text, width, numeric in cells).rstrip()

    return "\n".join([line(table[0]), "  ".join("-" * width for width in widths), *map(line, table[1:])]) + "\n"


FORMATS: dict[str, Callable[[TableView], str]] = {
    "text": as_text,
    "csv": as_csv,
    "markdown": as_markdown,
    "latex": as_latex,
}


def escape_latex(text: str) -> str:
    """Return text that LaTeX prints as it is."""
    return "".join(_LATEX.get(character, character) for character in _clean(text))


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows as it is, on one line and inside one cell."""
    return "".join(_MARKDOWN.get(character, character) for character in _clean(text))


def _clean(text: str) -> str:
    return visible_text(text, LONGEST_FIELD).replace("\n", " ")


def _markdown_line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _latex_line(cells: Sequence[str]) -> str:
    return "    " + " & ".join(map(escape_latex, cells)) + r" \\"


def _latex_groups(view: TableView) -> list[str]:
    """Return the line of grouped heads with a rule below each group; none where there are no groups."""
    if not view.groups:
        return []
    cells, rules, column = [], [], 1
    for label, span in view.groups:
        cells.append(f"\\multicolumn{{{span}}}{{c}}{{{escape_latex(label)}}}" if label else " & " * (span - 1))
        if label:
            rules.append(f"\\cmidrule(lr){{{column}-{column + span - 1}}}")
        column += span
    return ["    " + " & ".join(cells) + r" \\", "    " + " ".join(rules)]
