"""The page of a study in trouble, rendered once for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import Browser
from tests.synthetic_study import SyntheticStudy
from tests.unit.figures.study_with_tables import PUBLISHED, build_study_with_tables
from tests.unit.report.rendered_page import Page, render


@pytest.fixture(scope="session")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    """Three sizes, three seeds; cells missing, failed and stale."""
    return build_study_with_tables(
        tmp_path_factory.mktemp("troubled"),
        images=True,
        title="A study in trouble",
        sizes=[1000, 500, 100],
        published=PUBLISHED,
        missing=["n500/non/seed2"],
        failed=["n1000/label-mix/seed2"],
        stale={"n100/data-mix/seed1": "code"},
    )


@pytest.fixture(scope="session")
def html(troubled: SyntheticStudy) -> str:
    """The page of the troubled study."""
    return render(troubled)


@pytest.fixture(scope="session")
def page(html: str) -> Page:
    """The same, parsed."""
    return Page(html)


@pytest.fixture(scope="session")
def file(html: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the troubled study as a file."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all looks of a module at pages. Only where Chromium is: modules skip without it."""
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened
