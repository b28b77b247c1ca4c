"""A test Slurm for the whole session, the tiny study's results on this machine alone, and a project for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.project_copy import Project, Results
from tests.cluster.slurm_in_a_folder import Slurm, missing_programs


@pytest.fixture(scope="session")
def _slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    if missing := missing_programs():
        pytest.skip(
            f"Slurm's programs are not here ({', '.join(missing)}); install slurmctld, slurmd, slurm-client and munge"
        )
    slurm = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


@pytest.fixture
def slurm(_slurm: Slurm) -> Iterator[Slurm]:
    """Provide the test Slurm, whole and without jobs, before the test and after it."""
    _slurm.clear()
    yield _slurm
    _slurm.clear()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Prepare a project whose data set and subsets are there, and no cell."""
    project = Project.copy(tmp_path_factory.mktemp("prepared") / "project")
    project.snakemake("subsets", "--cores", "1")
    return project


@pytest.fixture(scope="session")
def local_results(prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Train the study's cells as the default profile does here, on the CPU; return their results."""
    project = prepared.duplicate(tmp_path_factory.mktemp("local") / "project")
    project.snakemake("cells", "--cores", "2")
    results = project.results()
    assert len(results) == 6
    return results


@pytest.fixture
def project(prepared: Project, slurm: Slurm, tmp_path: Path) -> Project:
    """Return a project of its own for each test, in an environment that knows the test Slurm."""
    project = prepared.duplicate(tmp_path / "project", slurm.environment)
    # Site settings: this site is small and on one disk.
    small = {"mem_mb": "1500 * attempt", "runtime": "5 * attempt"}
    quick = {"latency_wait": 5, "cores": 2, "max_status_checks_per_second": 100}
    project.edit_profile("slurm", small, slurm_init_seconds_before_status_checks=1, **quick)
    project.edit_profile("generic", small, **quick)
    return project
