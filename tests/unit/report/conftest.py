"""The page of a study in trouble, rendered once for all tests."""

from __future__ import annotations

import pytest

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
