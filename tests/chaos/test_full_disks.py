"""A full disk or a folder that cannot be written, at every place where something is written: whole files, plain words.

A limit on the size of files stands for a full disk everywhere; where mounting is allowed, a tiny file system is filled
for real. Afterwards the same command, with space, gives the undisturbed run's result.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from smallmix.atomic_files import TEMPORARY_PREFIX

from tests.chaos.conftest import UndisturbedRuns
from tests.chaos.outcomes import Outcomes
from tests.chaos.trainer import smallmix
from tests.synthetic_study import build_synthetic_study


def leftovers(folder: Path) -> list[Path]:
    """Return temporary files that should not be there."""
    return list(folder.rglob(f"{TEMPORARY_PREFIX}*"))


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Path]:
    """Return an empty folder to mount something on; unmounted in the end."""
    place = tmp_path / "mounted"
    place.mkdir()
    yield place
    subprocess.run(["umount", "--lazy", str(place)], capture_output=True, check=False)


def run_mount(*arguments: str) -> None:
    """Mount, or skip for those who may not."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")


def test_no_space_for_a_checkpoint(undisturbed: UndisturbedRuns, outcomes: Outcomes, tmp_path: Path) -> None:
    problem, training = "full disk: checkpoint", undisturbed.trainings["images"].in_folder(tmp_path)
    attempt = training.start(file_limit=20_000)
    outcomes.inject(problem)
    assert attempt.wait() == 4
    attempt.check_no_traceback()
    assert f"bytes were needed in {training.entry}" in attempt.messages
    assert "no space left" in attempt.messages
    reason = json.loads((training.output / "failure.json").read_text())["reason"]
    assert reason.startswith("the checkpoint could not be saved")
    assert leftovers(tmp_path) == []
    outcomes.compare(problem, training.finish(), undisturbed.results["images"])
    assert not (training.output / "failure.json").exists()


def test_a_full_file_system_keeps_the_last_checkpoint(
    undisturbed: UndisturbedRuns, outcomes: Outcomes, tmp_path: Path, mount: Path
) -> None:
    """Space for two checkpoints but not for a third beside them; the log is on the full disk, too."""
    problem, cell = "full disk: file system filled while training", undisturbed.trainings["images"]
    run_mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount))
    training = cell.in_folder(mount)
    attempt = training.start()
    training.wait_for_checkpoint(attempt)
    with open(mount / "filler", "wb", buffering=0) as filler:
        while True:
            try:
                filler.write(b"x" * 4096)
            except OSError:
                break
        outcomes.inject(problem)
        assert attempt.wait() == 4
    kept = sorted(path.name for path in training.entry.glob("checkpoint*"))
    assert "checkpoint.pt" in kept
    assert leftovers(mount) == []
    (mount / "filler").unlink()
    outcomes.compare(problem, training.finish(), undisturbed.results["images"])
    assert "continued from the checkpoint" in (training.entry / "log.txt").read_text()


@pytest.mark.parametrize(
    "name",
    ["history.csv", *(pytest.param(name, marks=pytest.mark.long) for name in ("predictions.npz", "metrics.json"))],
)
def test_no_space_for_the_record(undisturbed: UndisturbedRuns, outcomes: Outcomes, tmp_path: Path, name: str) -> None:
    problem, training = "full disk: history, predictions, metrics", undisturbed.trainings["none"]
    sizes = {path.name: path.stat().st_size for path in training.output.iterdir()}
    # Just too small for this file, by what an undisturbed run wrote.
    limit = sizes[name] - 1
    unsaved = replace(training, folder=tmp_path, checkpoint_seconds=1e6)
    attempt = unsaved.start(file_limit=limit)
    outcomes.inject(problem)
    code = attempt.wait()
    attempt.check_no_traceback()
    too_large = [other for other in ("history.csv", "predictions.npz", "metrics.json") if sizes[other] > limit]
    assert code == 1, attempt.messages
    assert f"cannot write {unsaved.entry / 'finished' / too_large[0]}: no space left" in attempt.messages
    assert not (unsaved.output / "metrics.json").exists()
    assert leftovers(tmp_path) == []
    outcomes.compare(problem, unsaved.finish(), undisturbed.results["none"])


@pytest.mark.long
def test_no_space_for_publishing(undisturbed: UndisturbedRuns, outcomes: Outcomes, tmp_path: Path, mount: Path) -> None:
    problem, training = "full disk: a cell's folder", undisturbed.trainings["none"].in_folder(tmp_path)
    run_mount("-t", "tmpfs", "-o", "size=4k", "tmpfs", str(mount))
    (tmp_path / "cell").symlink_to(mount)
    attempt = training.start()
    outcomes.inject(problem)
    assert attempt.wait() == 1
    attempt.check_no_traceback()
    assert "no space left" in attempt.messages
    assert not (training.output / "metrics.json").exists()
    run_mount("-o", "remount,size=4m", str(mount))
    outcomes.compare(problem, training.finish(), undisturbed.results["none"])
    assert "found in the store" in (tmp_path / "attempt-1.log").read_text()


@pytest.mark.parametrize("place", ["store", pytest.param("cell", marks=pytest.mark.long)])
def test_a_read_only_folder(
    undisturbed: UndisturbedRuns, outcomes: Outcomes, tmp_path: Path, mount: Path, place: str
) -> None:
    """A read-only mount, because the administrator may write everywhere else."""
    problem, training = f"read-only folder: {place}", undisturbed.trainings["none"].in_folder(tmp_path)
    run_mount("-t", "tmpfs", "tmpfs", str(mount))
    run_mount("-o", "remount,ro", str(mount))
    (tmp_path / place).symlink_to(mount)
    attempt = training.start()
    outcomes.inject(problem)
    assert attempt.wait() == 1
    attempt.check_no_traceback()
    assert "Read-only file system" in attempt.messages
    assert "writable" in attempt.messages
    if place == "store":
        assert json.loads((training.output / "failure.json").read_text())["reason"].startswith("cannot use the store")
    run_mount("-o", "remount,rw", str(mount))
    outcomes.compare(problem, training.finish(), undisturbed.results["none"])


COMMANDS: dict[str, tuple[list[str], str]] = {
    "tables": (["collect-metrics"], "results/*/*.csv"),
    "summary": (["summarize-cells"], "results/*/summary.csv"),
    "comparison": (["compare-methods"], "results/*/comparison.csv"),
    "figure": (["plot-figures", "--figure", "accuracy_by_size"], "reports/*/figures/*"),
    "report": (["render-report"], "reports/*/report.html"),
}


def test_no_space_for_tables_figures_and_the_report(outcomes: Outcomes, tmp_path: Path) -> None:
    """Each step of a synthetic study: without space it reports that and leaves the old files; with space it works."""
    made = build_synthetic_study(tmp_path)
    common = ["--study", str(made.layout.study_file), "--root", str(tmp_path)]
    for name, (command, pattern) in COMMANDS.items():
        problem = f"full disk: {name}"
        done = smallmix(*command, *common, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        wanted = {path: path.read_bytes() for path in tmp_path.glob(pattern)}
        assert wanted
        failed = smallmix(*command, *common, cwd=tmp_path, file_limit=16)
        outcomes.inject(problem)
        assert failed.returncode == 1, failed.stderr
        assert "no space left" in failed.stderr
        assert "Traceback" not in failed.stderr
        assert {path: path.read_bytes() for path in tmp_path.glob(pattern)} == wanted
        assert leftovers(tmp_path) == []
        again = smallmix(*command, *common, cwd=tmp_path)
        assert again.returncode == 0, again.stderr
        outcomes.compare(problem, {path: path.read_bytes() for path in tmp_path.glob(pattern)}, wanted)
