"""Protects the check by deliberate errors: survivors are named, a table out of step is an error."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.runner import TABLE, Mutant, copy_project, explain_mutant, read_mutants, run_mutants

PROJECT = Path(__file__).resolve().parents[2]
SOURCE = "def total(values):\n    return sum(values) + 0\n\n\ndef largest(values):\n    return max(values)\n"
TESTS = "from smallmix.sums import total\n\n\ndef test_the_total():\n    assert total([1, 2]) == 3\n"
WRONG_SUM = Mutant("sum(values)", "max(values)", "the total is wrong", ("test_sums",))
UNTESTED = Mutant("return max(values)", "return min(values)", "the largest is the smallest", ("test_sums",))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project of one module and one test."""
    package, tests = tmp_path / "workflow" / "smallmix", tmp_path / "tests" / "unit" / "sums"
    package.mkdir(parents=True)
    tests.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "sums.py").write_text(SOURCE, encoding="utf-8")
    (tests / "test_sums.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["workflow"]\n', encoding="utf-8")
    (tmp_path / "results").mkdir()
    return tmp_path


def run(project: Path, *mutants: Mutant) -> tuple[int, list[str]]:
    lines: list[str] = []
    return run_mutants(mutants, project, lines.append), lines


def test_a_mutant_that_a_test_notices(project: Path) -> None:
    assert run(project, WRONG_SUM) == (0, ["noticed: the total is wrong", "1 of 1 mutants were noticed."])


def test_a_survivor_is_named_and_the_source_is_as_before(project: Path) -> None:
    code, lines = run(project, UNTESTED, WRONG_SUM)
    assert code == 1
    assert lines == [
        "survived: the largest is the smallest",
        "noticed: the total is wrong",
        "1 of 2 mutants were noticed.",
        "  not noticed: the largest is the smallest: return max(values)  ->  return min(values)",
    ]
    assert (project / "workflow" / "smallmix" / "sums.py").read_text(encoding="utf-8") == SOURCE


def test_what_is_no_code_is_not_taken_for_noticed(project: Path) -> None:
    code, lines = run(project, Mutant("sum(values)", "sum(values", "no code", ("test_sums",)))
    assert code == 1
    assert lines[0].startswith("could not be tried")


@pytest.mark.parametrize(
    ("mutant", "reason"),
    [
        (Mutant("minimum(", "maximum(", "gone", ("test_sums",)), "stands 0 times"),
        (Mutant("return ", "return -", "twice", ("test_sums",)), "stands 2 times"),
        (Mutant("sum(values)", "sum(values)", "nothing", ("test_sums",)), "changes nothing"),
        (Mutant("sum(values)", "max(values)", "untested", ("test_products",)), "no test file test_products"),
        (Mutant("sum(values)", "max(values)", "untested", ()), "no test file"),
    ],
    ids=["gone", "twice", "nothing", "test gone", "no test"],
)
def test_a_table_out_of_step_is_an_error(project: Path, mutant: Mutant, reason: str) -> None:
    code, lines = run(project, WRONG_SUM, mutant)
    assert code == 1
    assert reason in lines[0]
    assert "out of step" in lines[-1]
    assert not any(line.startswith("noticed") for line in lines)


def test_tests_that_fail_by_themselves_notice_nothing(project: Path) -> None:
    path = project / "tests" / "unit" / "sums" / "test_sums.py"
    path.write_text(TESTS.replace("== 3", "== 4"), encoding="utf-8")
    assert run(project, WRONG_SUM) == (1, ["The tests fail without any mutant; nothing was tried."])


def test_no_mutant_is_no_success(project: Path) -> None:
    assert run(project)[0] == 1


def test_results_are_not_copied(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    copy = copy_project(project, tmp_path_factory.mktemp("copy"))
    assert {path.name for path in copy.iterdir()} == {"workflow", "tests", "pyproject.toml"}


def test_the_table_is_in_step_with_the_project() -> None:
    mutants = read_mutants(PROJECT / TABLE)
    assert [f"{one.seen}: {reason}" for one in mutants if (reason := explain_mutant(PROJECT, one))] == []
    assert len(mutants) >= 40
    assert [seen for seen, count in Counter(one.seen for one in mutants).items() if count > 1] == []
