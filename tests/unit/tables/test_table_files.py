"""Protects the one writer and the one reader: bytes, types, and errors that name file, line, column and remedy."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from smallmix.science.history import COLUMNS as TRAINER_COLUMNS
from smallmix.tables import table_files
from smallmix.tables.column_reference import TABLES, describe_columns
from smallmix.tables.columns import METRICS, SUBSET_TABLE
from smallmix.tables.statistics_columns import COMPARISON
from smallmix.tables.table_files import TableError, empty_table, read_columns, read_table, write_table
from smallmix.tables.table_form import Column, Table

PROJECT = Path(__file__).resolve().parents[3]
MADE = Table(
    "made.csv",
    "a thing",
    "make-things",
    (
        Column("count", "int", "things", "how many"),
        Column("share", "float", "fraction", "of all", may_be_empty=True),
        Column("rank", "int", "", "place among them", may_be_empty=True),
        Column("name", "text", "", "what it is called"),
        Column("age", "int", "days", "how old", if_absent=7),
    ),
    digits=3,
)


def test_the_bytes_are_those_of_the_contract(tmp_path: Path) -> None:
    write_table(tmp_path / "made.csv", MADE, [(1, 2 / 3, None, 'a, "b"', 0), (2, None, 3, "ü\nx", 1)])
    expected = 'count,share,rank,name,age\n1,0.667,,"a, ""b""",0\n2,,3,"ü\nx",1\n'
    assert (tmp_path / "made.csv").read_bytes() == expected.encode()


def test_without_digits_a_number_reads_back_as_the_same(tmp_path: Path) -> None:
    exact = Table("exact.csv", "a number", "make-things", (Column("x", "float", "", "a number"),))
    write_table(tmp_path / "exact.csv", exact, [(0.1 + 0.2,), (np.float64(1 / 3),), (1e-300,)])
    assert (tmp_path / "exact.csv").read_text().splitlines()[1] == "0.30000000000000004"
    assert read_columns(tmp_path / "exact.csv", exact)["x"].tolist() == [0.1 + 0.2, 1 / 3, 1e-300]


def test_a_row_of_another_length_is_no_row_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a row of 2 values for 5 columns"):
        write_table(tmp_path / "made.csv", MADE, [(1, 2)])
    assert list(tmp_path.iterdir()) == []


def test_types_are_those_of_the_declaration(tmp_path: Path) -> None:
    path = tmp_path / "made.csv"
    path.write_text("extra,name,rank,share,count\nx,NA,,0.5,1\ny,,4,,2\n")
    frame = read_table(path, MADE)
    assert list(frame.columns) == list(MADE.names), "extra columns are left out"
    assert frame["count"].tolist() == [1, 2]
    assert frame["count"].dtype == np.int64
    assert frame["name"].tolist() == ["NA", ""], "no text stands for a missing number"
    assert math.isnan(frame["share"][1])
    assert math.isnan(frame["rank"][0])
    assert frame["age"].tolist() == [7, 7]
    assert dict(frame.dtypes) == dict(empty_table(MADE).dtypes)
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert dict(read_table(path, MADE).dtypes) == dict(empty_table(MADE).dtypes)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "the file is missing"),
        ("", "line 1: the columns count, share, rank, name are missing"),
        ("count,rank,name\n", "line 1: the column share is missing"),
        ("count,share,rank,name,name\n", "line 1: the column name is there twice"),
        ("count,share,rank,name\n1,0.5,2,a\n1,0.5,2\n", "line 3: 3 fields instead of 4"),
        ("count,share,rank,name\n1,half,2,a\n", "line 2: share is 'half', not a finite number"),
        ("count,share,rank,name\n1,inf,2,a\n", "line 2: share is 'inf', not a finite number"),
        ("count,share,rank,name\n1,nan,2,a\n", "line 2: share is 'nan', not a finite number"),
        ("count,share,rank,name\n1,1,2,a\n,1,2,a\n", "line 3: count is '', not a whole number"),
        ("count,share,rank,name\n1.5,1,2,a\n", "line 2: count is '1.5', not a whole number"),
        ('count,share,rank,name\n1,1,2,"a\nb"\nx,1,2,a\n', "line 4: count is 'x'"),
        ('count,share,rank,name\n1,1,2,"a\n', "it is no CSV file in UTF-8"),
        ("count,share,rank,name\n9999999999999999999,1,2,a\n", "line 2: count is '9999999999999999999'"),
    ],
)
def test_errors_name_line_column_and_remedy(tmp_path: Path, content: str | None, problem: str) -> None:
    path = tmp_path / "made.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TableError) as raised:
        read_table(path, MADE)
    assert raised.value.problem.startswith(problem)
    assert str(raised.value).startswith(f"{path}: {problem}")
    assert str(raised.value).endswith("Write it again with `smallmix make-things`.")


def test_other_bytes_than_text_and_a_folder_are_explained(tmp_path: Path) -> None:
    (tmp_path / "made.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(TableError, match="no CSV file in UTF-8"):
        read_table(tmp_path / "made.csv", MADE)
    with pytest.raises(TableError, match="cannot be read"):
        read_table(tmp_path, MADE)


def test_rows_are_kept_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "ROWS_AT_ONCE", 4)
    write_table(tmp_path / "made.csv", MADE, [(count, count / 10, None, "a", 0) for count in range(10)])
    kept = read_columns(tmp_path / "made.csv", MADE, lambda columns: columns["count"] % 2 == 0)
    assert kept["count"].tolist() == [0, 2, 4, 6, 8]
    assert len(read_columns(tmp_path / "made.csv", MADE)["name"]) == 10
    path = tmp_path / "made.csv"
    path.write_text(path.read_text().replace("9,0.9", "9,x"))
    with pytest.raises(TableError, match="line 11: share is 'x'"):
        read_columns(path, MADE)


@given(
    st.lists(
        st.tuples(
            st.integers(-(2**63), 2**63 - 1),
            st.none() | st.floats(allow_nan=False, allow_infinity=False),
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0")),
        )
    )
)
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, float, str]]
) -> None:
    table = Table("x.csv", "", "", (MADE.columns[0], MADE.columns[1], MADE.columns[3]))
    path = tmp_path_factory.mktemp("tables") / "x.csv"
    write_table(path, table, rows)
    columns = read_columns(path, table)
    again = [(int(a), None if math.isnan(b) else float(b), str(c)) for a, b, c in zip(*columns.values(), strict=True)]
    assert again == rows


def test_declarations_are_whole() -> None:
    assert len({table.file for table in TABLES}) == len(TABLES)
    for table in TABLES:
        assert len(set(table.names)) == len(table.names)
        assert all(column.meaning and column.name.isidentifier() for column in table.columns)


def test_the_trainer_writes_the_declared_history() -> None:
    from smallmix.tables.columns import CELL_HISTORY

    assert CELL_HISTORY.names == TRAINER_COLUMNS


def test_tables_of_older_versions_are_read_as_far_as_their_columns_go(tmp_path: Path) -> None:
    """As version 0.2.0 wrote them: without missing_classes, which has a value for that, and without other columns."""
    (tmp_path / "subset_table.csv").write_text("size,smallest_class,largest_class\n500,40,65\n100,4,16\n", "utf-8")
    assert read_table(tmp_path / "subset_table.csv", SUBSET_TABLE)["missing_classes"].tolist() == [0, 0]
    for name, table in (("metrics", METRICS), ("comparison", COMPARISON)):
        (tmp_path / f"{name}.csv").write_text("size,method\n500,non\n", "utf-8")
        with pytest.raises(TableError, match="line 1: the columns"):
            read_table(tmp_path / f"{name}.csv", table)


def test_the_column_reference_is_in_step() -> None:
    page = (PROJECT / "docs" / "columns.md").read_text(encoding="utf-8")
    assert page == describe_columns(), (
        "write it with: PYTHONPATH=workflow python -m smallmix.tables.column_reference > docs/columns.md"
    )
    for table in TABLES:
        assert all(f"| `{column.name}` | {column.dtype} |" in page for column in table.columns)
