"""Holds the other forms of a page's table to what their readers parse: CSV, Markdown, LaTeX, plain text."""

from __future__ import annotations

import csv
import io

import pytest
from smallmix.report.table_formats import as_csv, as_latex, as_markdown, as_text, escape_latex, escape_markdown
from smallmix.report.tables_section import Entry, TableView, number_entry
from smallmix.wording import MINUS, NO_NUMBER

VIEW = TableView(
    name="table-x",
    caption="50 % of all_runs & more.",
    columns=("Images", "ours", "published", "Note"),
    rows=(
        (Entry("1,000", 1e3), number_entry("57.84 ± 1.2", 0.58), number_entry(f"{MINUS}3.1", -0.031), Entry('a|b_"c"')),
        (Entry("50", 50.0), number_entry(NO_NUMBER, float("nan")), number_entry("+0.2", 0.002), Entry("")),
    ),
    groups=(("", 1), ("label_mix", 2), ("", 1)),
)


def test_csv_reads_back() -> None:
    rows = list(csv.reader(io.StringIO(as_csv(VIEW))))
    assert rows[0] == ["Images", "label_mix: ours", "label_mix: published", "Note"]
    assert rows[1] == ["1,000", "57.84 ± 1.2", "-3.1", 'a|b_"c"']


def test_markdown_keeps_its_columns() -> None:
    lines = as_markdown(VIEW).splitlines()
    assert lines[0] == r"50 % of all\_runs &amp; more."
    assert lines[3] == "|---:|---:|---:|---|"
    assert lines[4] == rf'| 1,000 | 57.84 ± 1.2 | {MINUS}3.1 | a\|b\_"c" |'


def test_latex_is_a_booktabs_table() -> None:
    text = as_latex(VIEW)
    assert r"\begin{tabular}{rrrl}" in text
    assert r"\caption{50 \% of all\_runs \& more.}" in text
    assert r" & \multicolumn{2}{c}{label\_mix} &  \\" in text
    assert r"\cmidrule(lr){2-3}" in text
    assert r'1,000 & 57.84 $\pm$ 1.2 & $-$3.1 & a|b\_"c" \\' in text
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    assert all(line.count(" & ") == 3 for line in body.splitlines() if line.endswith(r"\\"))
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("$x^2$ ~ #1", r"\$x\textasciicircum{}2\$ \textasciitilde{} \#1"),
        ("a < b > c", r"a \textless{} b \textgreater{} c"),
        ("one\ntwo", "one two"),
    ],
)
def test_latex_escapes_what_would_be_a_command(text: str, expected: str) -> None:
    assert escape_latex(text) == expected


def test_markdown_escapes_tags_and_marks() -> None:
    assert escape_markdown("<b>*x*</b> [a](b) `c`") == r"&lt;b>\*x\*&lt;/b> \[a\](b) \`c\`"


def test_a_backslash_is_no_escape_in_markdown() -> None:
    assert escape_markdown("a\\|b") == "a\\\\\\|b"


def test_csv_has_plain_spaces() -> None:
    view = TableView(name="table-x", caption="", columns=("What",), rows=((Entry("57.8\N{NO-BREAK SPACE}%"),),))
    assert as_csv(view) == "What\n57.8 %\n"


def test_each_group_has_a_rule_below_its_own_columns() -> None:
    view = TableView(
        name="table-x",
        caption="",
        columns=("a", "b", "c", "d", "e"),
        rows=(),
        groups=(("", 1), ("one", 2), ("other", 2)),
    )
    assert r"\cmidrule(lr){2-3} \cmidrule(lr){4-5}" in as_latex(view)


def test_plain_text_lines_up() -> None:
    lines = as_text(VIEW).splitlines()
    assert (lines[2][:6], lines[3][:6]) == (" 1,000", "    50")
    assert lines[2].index(f"{MINUS}3.1") == lines[3].index("+0.2")
