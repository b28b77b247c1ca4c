"""A finished tiny study, made once; tests break copies of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workflow.study_run import StudyRun


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> StudyRun:
    """Run the tiny study from nothing to its report."""
    study = StudyRun.create(tmp_path_factory.mktemp("finished") / "project")
    study.run()
    return study


@pytest.fixture
def study(finished_study: StudyRun, tmp_path: Path) -> StudyRun:
    """Return a copy of the finished study that a test may change."""
    return finished_study.copy_to(tmp_path / "project")
