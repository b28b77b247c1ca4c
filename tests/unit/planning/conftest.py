"""Estimates of these tests know nothing of the machine that they run on, and leave nothing on it."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def unknown_quiet_machine(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the empty cache folder of a machine with two cores, on which nothing else runs."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr("smallmix.planning.estimate.busy_elsewhere", lambda: 0)
    monkeypatch.setattr("smallmix.planning.estimate.usable_cores", lambda: 2)
    return cache
