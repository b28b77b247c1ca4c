"""The notebooks of docs/ run, show what they say, and are small: no outputs are stored in them."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
import smallmix

from tests.documentation_pages import DOCS, PROJECT

NOTEBOOKS = sorted(DOCS.glob("*.ipynb"))
LARGEST = 20_000  # bytes


def run(notebook: Path) -> tuple[dict[str, Any], list[object]]:
    """Run the code cells of a notebook in one namespace, as Jupyter would; return it, and what each cell shows."""
    namespace: dict[str, Any] = {}
    shown: list[object] = []
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        body = ast.parse("".join(cell["source"])).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), str(notebook), "exec"), namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), str(notebook), "eval"), namespace)
            shown += [value] if value is not None else []
    return namespace, shown


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], list[object]]:
    """The notebook of a study, run in its folder, without a window for its figure."""
    monkeypatch.chdir(DOCS)
    plt.switch_backend("agg")
    return run(DOCS / "a-study-in-python.ipynb")


def test_it_shows_the_tables_of_the_kept_study(ran: tuple[dict[str, Any], list[object]]) -> None:
    """The means are computed here from the runs themselves, in another way than the table that the notebook reads."""
    explained, means, gains = ran[1]
    study = smallmix.load(PROJECT / "reports" / "reference" / "small-end", PROJECT)
    assert isinstance(explained, pd.DataFrame)
    assert list(explained["column"]) == list(study.summary.columns)
    assert isinstance(means, pd.DataFrame)
    assert set(means.index) == set(study.study.sizes)
    for size in study.study.sizes:
        for method in study.study.methods:
            runs = study.metrics[(study.metrics["size"] == size) & (study.metrics["method"] == method)]
            assert means.loc[size, method] == round(100 * sum(runs["best_test_accuracy"]) / len(runs), 1)
    assert isinstance(gains, pd.DataFrame)
    assert len(gains) == len(study.study.sizes) * (len(study.study.methods) - 1)
    for row in gains.to_dict("records"):
        by_seed = {
            method: study.metrics[
                (study.metrics["size"] == int(row["size"])) & (study.metrics["method"] == method)
            ].set_index("seed")["best_test_accuracy"]
            for method in (row["method"], "non")
        }
        assert row["difference"] == round(100 * float((by_seed[row["method"]] - by_seed["non"]).mean()), 1)
        assert row["low"] < row["difference"] < row["high"]


def test_it_draws_a_line_for_each_method(ran: tuple[dict[str, Any], list[object]]) -> None:
    axes, study = ran[0]["axes"], ran[0]["study"]
    assert [line.get_label() for line in axes.lines] == list(study.study.methods)
    assert [len(line.get_xdata()) for line in axes.lines] == [len(study.study.sizes)] * len(axes.lines)
    assert sum(len(dots.get_offsets()) for dots in axes.collections) == len(study.metrics)
    plt.close(ran[0]["figure"])


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_valid_small_and_without_outputs(notebook: Path) -> None:
    """Outputs would be pictures and numbers that nothing keeps true."""
    assert notebook.stat().st_size < LARGEST
    content = json.loads(notebook.read_text(encoding="utf-8"))
    nbformat.validate(content)
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_there_is_one() -> None:
    assert [path.name for path in NOTEBOOKS] == ["a-study-in-python.ipynb"]
