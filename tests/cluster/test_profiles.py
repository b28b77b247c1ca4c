"""Protects the profiles: they decide where and how, never what, and count GPUs as the trainer does."""

from __future__ import annotations

import importlib.util
import io
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
import yte  # type: ignore[import-untyped]
from smallmix.training.gpu_slots import list_gpus

from tests.cluster.project_copy import METHODS, PROJECT, Project

PROFILES = sorted((PROJECT / "profiles").glob("*/config.yaml"))
LOCAL = ("default", "workstation")
ALLOWED = {
    *("executor", "jobs", "cores", "resources", "set-resources", "retries", "latency-wait"),
    *("rerun-incomplete", "keep-going", "show-failed-logs", "printshellcmds", "quiet", "seconds-between-status-checks"),
    "logger",  # of the display alone
}
NAMES = [path.parent.name for path in PROFILES]


def evaluate(name: str, monkeypatch: pytest.MonkeyPatch, **environment: str) -> dict[str, Any]:
    """Return a profile as Snakemake reads it in that environment."""
    for variable in ("CUDA_VISIBLE_DEVICES", "SMALLMIX_CARDS"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    text = (PROJECT / "profiles" / name / "config.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yte.process_yaml(io.StringIO(text), require_use_yte=True)
    return found


@pytest.mark.parametrize("path", PROFILES, ids=NAMES)
def test_every_key_has_its_reason(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        if re.match(r"[a-z-]+:", line) and not line.startswith(("resources:", "set-resources:", "executor:")):
            assert "#" in line or before.startswith("#"), f"{path.parent.name}: {line}"


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_decides_no_result(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that reaches the configuration, the rules' parameters or what is made again."""
    profile = evaluate(name, monkeypatch)
    own = {key for key in profile if not key.startswith(("slurm-", "cluster-generic-"))}
    assert own <= ALLOWED
    resources = profile.get("set-resources", {}).get("train_cell", {})
    assert set(resources) <= {"cells_per_card", "runtime", "mem_mb", "slurm_extra"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_run_looks_alike_wherever_it_runs(name: str, is_there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The display speaks where a profile is quiet about reasons. Without the plugin, Snakemake starts all the same."""
    found = importlib.util.find_spec
    plugin = "snakemake_logger_plugin_smallmix"
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda module, *rest: (is_there or None) if module == plugin else found(module, *rest),
    )
    profile = evaluate(name, monkeypatch)
    assert profile.get("logger") == (["smallmix"] if is_there else None)
    # Snakemake says of no job that it has ended where it is to be quiet about progress.
    assert ("reason" in profile["quiet"], "progress" in profile["quiet"]) == (
        (True, False) if is_there or name == "default" else (False, True)
    )


@pytest.mark.parametrize("name", LOCAL)
@pytest.mark.parametrize(
    "environment",
    [
        {},
        *(
            {"CUDA_VISIBLE_DEVICES": value}
            for value in (
                "",
                "-1",
                "0",
                "0,1",
                "3, 1 ",
                "0,-1,1",
                "1,1",
                "GPU-1f2e,MIG-77/1/0",
                "NoDevFiles",
                "0,x,2",
                "all",
            )
        ),
        *({"SMALLMIX_CARDS": value} for value in ("", "-1", "0", "0,1", "1, 1", "all", " all ", "GPU-1f2e")),
        {"CUDA_VISIBLE_DEVICES": "1", "SMALLMIX_CARDS": "all"},
    ],
)
def test_profiles_count_gpus_as_the_trainer_does(
    name: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glob.glob", lambda pattern: ["/dev/nvidia0", "/dev/nvidia1", "/dev/nvidia3"])
    profile = evaluate(name, monkeypatch, **environment)
    per_gpu = profile.get("set-resources", {}).get("train_cell", {}).get("cells_per_card", 1)
    assert profile["resources"]["gpu"] == len(list_gpus(environment)) * per_gpu


def test_the_cluster_profiles_ask_for_more_with_each_attempt() -> None:
    for name in ("slurm", "generic"):
        profile = yaml.safe_load((PROJECT / "profiles" / name / "config.yaml").read_text(encoding="utf-8"))
        for resource in ("runtime", "mem_mb"):
            expression = profile["set-resources"]["train_cell"][resource]
            by_attempt = [
                eval(expression, {"wildcards": type("W", (), {"size": size}), "attempt": attempt})
                for size, attempt in (("100", 1), ("50000", 1), ("50000", 2))
            ]
            assert by_attempt == sorted(set(by_attempt))
        assert profile["retries"] == 2


@pytest.mark.parametrize(("profile", "cores", "slots"), [(None, ["--cores", "all"], 1), ("workstation", [], 2)])
def test_cells_of_one_machine_lease_its_gpus(
    profile: str | None, cores: list[str], slots: int, prepared: Project, tmp_path: Path
) -> None:
    """Snakemake starts as many cells as there are slots, so that none has to wait for its GPU."""
    project = prepared.duplicate(tmp_path / "project", {"SMALLMIX_CARDS": "0"})
    project.snakemake(*(project.cell("50", method) for method in METHODS[:2]), *cores, profile=profile)
    logs = [project.cell_log("50", method) for method in METHODS[:2]]
    assert all(re.search(rf"^GPU 0, slot \d of {slots}$", log, re.MULTILINE) for log in logs), logs
    assert not [log for log in logs if "waiting for a GPU" in log]


@pytest.mark.parametrize(("profile", "cores"), [(None, ["--cores", "all"]), ("workstation", [])])
def test_a_machine_without_gpus_trains_on_the_cpu_and_says_so_of_each_cell(
    profile: str | None, cores: list[str], prepared: Project, tmp_path: Path
) -> None:
    project = prepared.duplicate(tmp_path / "project", {"SMALLMIX_CARDS": ""})
    output = project.snakemake(project.cell("50", "non"), *cores, profile=profile)
    assert re.search(r"^n50/non/seed0  \d+\.\d %  in .* \(1 of 1\)$", output, re.MULTILINE), output
    assert "training 40 iterations on cpu" in project.cell_log("50", "non")
    assert not (project.folder / "results" / "slots").exists()
