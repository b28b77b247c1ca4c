"""Protects the leases of GPUs: never two holders of one slot, none lost to a kill, GPUs spread over first.

All GPUs are made up (SMALLMIX_CARDS or CUDA_VISIBLE_DEVICES in the environment of the holders); no CUDA is touched.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from smallmix.errors import ConfigurationError, Interrupted, SmallmixError
from smallmix.training.gpu_slots import GpuSlot, batch_job, lease_gpu, list_gpus

PACKAGE = Path(__file__).resolve().parents[3] / "workflow"

# A job: leases, prints its slot, and holds it until its standard input ends. While it holds the slot it keeps a
# file created with O_EXCL, so that a second holder of the same slot cannot go unseen; a killed holder's file names its
# process, and may be taken over when that process is gone.
HOLDER = """
import os, sys, time
from pathlib import Path
from typing import Any
from smallmix.training.gpu_slots import lease_gpu

def alive(process):
    try:
        return Path(f"/proc/{int(process)}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, ValueError):
        return False

folder, cells_per_card, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
with lease_gpu(folder, cells_per_card=cells_per_card, poll_seconds=0.02,
                report=lambda line: print(line, file=sys.stderr, flush=True)) as slot:
    assert "torch" not in sys.modules
    flag = folder.parent / f"in-use-{slot.gpu}.{slot.number}"
    try:
        stream = os.open(flag, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        if alive(flag.read_text()):
            print("TWICE", slot, flush=True)
            os._exit(70)
        flag.unlink()
        stream = os.open(flag, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.write(stream, str(os.getpid()).encode())
    os.close(stream)
    print(os.environ["CUDA_VISIBLE_DEVICES"], slot.number, flush=True)
    if seconds < 0:
        sys.stdin.read()
    else:
        time.sleep(seconds)
    flag.unlink()
"""


def start_holder(folder: Path, *, gpus: str, cells_per_card: int = 1, seconds: float = -1) -> subprocess.Popen[str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "CUDA_VISIBLE_DEVICES" and not name.startswith("SLURM")
    }
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), str(cells_per_card), str(seconds)],
        env={**environment, "PYTHONPATH": str(PACKAGE), "SMALLMIX_CARDS": gpus},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=60)


@contextlib.contextmanager
def holders(number: int, folder: Path, *, gpus: str, cells_per_card: int = 1) -> Iterator[list[subprocess.Popen[str]]]:
    """Start holders; let all go in the end."""
    processes = [start_holder(folder, gpus=gpus, cells_per_card=cells_per_card) for _ in range(number)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def lease_here(folder: Path, environment: dict[str, str], **options: int) -> GpuSlot | None:
    with lease_gpu(folder, environment=environment, stop=lambda: True, **options) as slot:  # type: ignore[arg-type]
        return slot


@pytest.mark.parametrize(
    ("environment", "gpus"),
    [
        ({"CUDA_VISIBLE_DEVICES": "0,2"}, ["0", "2"]),
        ({"CUDA_VISIBLE_DEVICES": " 3 , 1 "}, ["3", "1"]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-1f2e,MIG-77/1/0"}, ["GPU-1f2e", "MIG-77/1/0"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, []),
        ({"CUDA_VISIBLE_DEVICES": "0,-1,1"}, ["0"]),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, []),
        ({"CUDA_VISIBLE_DEVICES": "1,1"}, ["1"]),
        ({"CUDA_VISIBLE_DEVICES": "1", "SMALLMIX_CARDS": "0,1,2"}, ["1"]),
        ({"SMALLMIX_CARDS": "0,1,2"}, ["0", "1", "2"]),
        ({"SMALLMIX_CARDS": ""}, []),
        ({"SMALLMIX_CARDS": "-1"}, []),
        ({"SMALLMIX_CARDS": "all"}, ["0", "1"]),
        ({"SMALLMIX_CARDS": "all", "SLURM_JOB_ID": "7"}, ["0", "1"]),
        ({"SMALLMIX_CARDS": "1,1"}, ["1"]),
        ({"SLURM_JOB_ID": "7"}, []),
        ({"SLURM_JOB_ID": "7", "SMALLMIX_CARDS": "1"}, ["1"]),
    ],
)
def test_the_environment_decides_which_gpus_there_are(
    environment: dict[str, str], gpus: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glob.glob", lambda pattern: ["/dev/nvidia3", "/dev/nvidia5"])
    assert list_gpus(environment) == gpus


@pytest.mark.parametrize("given", ["two", "0,x", "0,-1,1", "ALL", "0,", "all,0"])
def test_what_names_no_gpu_is_refused_instead_of_training_on_the_cpu(tmp_path: Path, given: str) -> None:
    with pytest.raises(ConfigurationError, match=r"SMALLMIX_CARDS=.*names no GPU.*SMALLMIX_CARDS=all"):
        list_gpus({"SMALLMIX_CARDS": given})
    with pytest.raises(ConfigurationError, match="names no GPU"):
        lease_here(tmp_path, {"SMALLMIX_CARDS": given})


def test_device_files_are_counted_not_read_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glob.glob", lambda pattern: ["/dev/nvidia3", "/dev/nvidia5"])
    assert list_gpus({}) == ["0", "1"]


@pytest.mark.parametrize(
    ("environment", "job"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "12"}, "slurm-12"),
        ({"PBS_JOBID": "7.head"}, "pbs-7.head"),
        ({"LSB_JOBID": "9"}, "lsf-9"),
        ({"JOB_ID": "3"}, None),
        ({"JOB_ID": "3", "SGE_ROOT": "/opt/sge"}, "sge-3"),
    ],
)
def test_batch_jobs_are_recognised(environment: dict[str, str], job: str | None) -> None:
    assert batch_job(environment) == job


def test_a_lease_sets_the_gpu_and_puts_the_environment_back(tmp_path: Path) -> None:
    environment = {"CUDA_VISIBLE_DEVICES": "4,7"}
    with lease_gpu(tmp_path, environment=environment) as first:
        assert first == GpuSlot("4", 0)
        assert environment == {"CUDA_VISIBLE_DEVICES": "4"}
    assert environment == {"CUDA_VISIBLE_DEVICES": "4,7"}


@pytest.mark.parametrize(
    ("environment", "gpus"),
    [({"SMALLMIX_CARDS": "0,1"}, 0), ({"SMALLMIX_CARDS": ""}, 1), ({"CUDA_VISIBLE_DEVICES": "-1"}, 1)],
)
def test_on_the_cpu_nothing_is_leased_and_no_gpu_is_visible(
    tmp_path: Path, environment: dict[str, str], gpus: int
) -> None:
    before = dict(environment)
    with lease_gpu(tmp_path, gpus=gpus, environment=environment) as slot:
        assert slot is None
        assert environment["CUDA_VISIBLE_DEVICES"] == ""
    assert environment == before
    assert list(tmp_path.iterdir()) == []


def test_the_gpu_that_a_scheduler_gave_is_left_as_it_is(tmp_path: Path) -> None:
    environment = {"SLURM_JOB_ID": "5", "CUDA_VISIBLE_DEVICES": "2"}
    with lease_gpu(tmp_path, environment=environment) as slot:
        assert slot is None
        assert environment == {"SLURM_JOB_ID": "5", "CUDA_VISIBLE_DEVICES": "2"}
    assert list(tmp_path.iterdir()) == []


def test_a_scheduler_that_gave_no_gpu_means_the_cpu_and_a_line_reports_it(tmp_path: Path) -> None:
    lines: list[str] = []
    environment = {"SLURM_JOB_ID": "5"}
    with lease_gpu(tmp_path, environment=environment, report=lines.append) as slot:
        assert slot is None
        assert environment["CUDA_VISIBLE_DEVICES"] == ""
    assert "gave job slurm-5 no GPU" in lines[0]


def test_several_gpus_of_one_batch_job_are_leased_within_that_job(tmp_path: Path) -> None:
    """Both jobs may number their GPUs from 0, and mean different ones."""
    given = "0,1"
    with (
        lease_gpu(tmp_path, environment={"SLURM_JOB_ID": "5", "CUDA_VISIBLE_DEVICES": given}) as first,
        lease_gpu(tmp_path, environment={"SLURM_JOB_ID": "5", "CUDA_VISIBLE_DEVICES": given}) as second,
        lease_gpu(tmp_path, environment={"SLURM_JOB_ID": "6", "CUDA_VISIBLE_DEVICES": given}) as other,
    ):
        assert (first, second, other) == (GpuSlot("0", 0), GpuSlot("1", 0), GpuSlot("0", 0))


def test_gpus_are_spread_over_before_any_is_doubled(tmp_path: Path) -> None:
    with holders(8, tmp_path / "slots", gpus="0,1,2,3", cells_per_card=2) as processes:
        taken = [read_line(process) for process in processes]
    assert Counter(slot.split()[0] for slot in taken) == {"0": 2, "1": 2, "2": 2, "3": 2}
    assert len(set(taken)) == 8


def test_a_freed_slot_of_the_least_used_gpu_goes_first(tmp_path: Path) -> None:
    with holders(4, tmp_path / "slots", gpus="0,1", cells_per_card=2) as processes:
        on_gpu = {read_line(process): process for process in processes}
        for number in (0, 1):
            end(on_gpu[f"1 {number}"])
        end(on_gpu["0 0"])
        with holders(1, tmp_path / "slots", gpus="0,1", cells_per_card=2) as (late,):
            assert read_line(late).split()[0] == "1"


def test_a_job_without_a_slot_waits_reports_it_and_gets_the_next(tmp_path: Path) -> None:
    with holders(1, tmp_path / "slots", gpus="0") as (first,):
        assert read_line(first) == "0 0"
        with holders(1, tmp_path / "slots", gpus="0") as (second,):
            assert second.stderr is not None
            assert "waiting for a GPU" in second.stderr.readline()
            end(first)
            assert read_line(second) == "0 0"


def test_a_stop_while_waiting_ends_the_wait(tmp_path: Path) -> None:
    environment = {"SMALLMIX_CARDS": "0"}
    with lease_gpu(tmp_path, environment=environment), pytest.raises(Interrupted, match="waiting for a GPU"):
        lease_here(tmp_path, {"SMALLMIX_CARDS": "0"})
    assert lease_here(tmp_path, {"SMALLMIX_CARDS": "0"}) == GpuSlot("0", 0)


@pytest.mark.parametrize("name", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_any_death_releases_the_slot(tmp_path: Path, name: signal.Signals) -> None:
    with holders(1, tmp_path / "slots", gpus="0") as (first,):
        assert read_line(first) == "0 0"
        first.send_signal(name)
        first.wait()
        with holders(1, tmp_path / "slots", gpus="0") as (second,):
            assert read_line(second) == "0 0"


def test_many_jobs_and_kills_never_put_two_on_one_slot_and_leave_none_behind(tmp_path: Path) -> None:
    """40 jobs on 3 GPUs x 2, a third of them killed at random moments, on the way in as well."""
    chance = random.Random(3)
    folder = tmp_path / "slots"
    folder.mkdir()
    running: list[subprocess.Popen[str]] = []
    finished: list[tuple[int, str]] = []

    def reap(limit: int) -> None:
        while len(running) > limit:
            for process in list(running):
                if process.poll() is not None:
                    output, _ = process.communicate()
                    finished.append((process.returncode, output))
                    running.remove(process)
            time.sleep(0.005)

    timers = []
    for number in range(40):
        process = start_holder(folder, gpus="0,1,2", cells_per_card=2, seconds=chance.uniform(0.05, 0.3))
        running.append(process)
        if number % 3 == 0:
            timer = threading.Timer(chance.uniform(0.0, 0.7), process.kill)
            timer.start()
            timers.append(timer)
        reap(12)
    reap(0)
    for timer in timers:
        timer.join()

    assert not [output for _, output in finished if "TWICE" in output]
    codes = Counter(code for code, _ in finished)
    assert set(codes) <= {0, -signal.SIGKILL}, codes
    assert codes[0] >= 26
    used = {tuple(output.split()) for code, output in finished if code == 0}
    assert {gpu for gpu, _ in used} == {"0", "1", "2"}
    # Everything is free again: six leases at once.
    with contextlib.ExitStack() as leases:
        environment = {"SMALLMIX_CARDS": "0,1,2"}
        slots = [
            leases.enter_context(lease_gpu(folder, cells_per_card=2, environment=dict(environment), stop=lambda: True))
            for _ in range(6)
        ]
    assert len(set(slots)) == 6


def test_counts_below_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--cells-per-card"):
        lease_here(tmp_path, {}, cells_per_card=0)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SmallmixError, match="results/slots"):
        lease_here(tmp_path / "file", {"SMALLMIX_CARDS": "0"})


def test_something_else_in_a_slots_place_is_named(tmp_path: Path) -> None:
    assert lease_here(tmp_path, {"SMALLMIX_CARDS": "0"}) == GpuSlot("0", 0)
    slot = next(tmp_path.glob("*/gpu-0.0"))
    slot.unlink()
    slot.mkdir()
    with pytest.raises(SmallmixError, match=r"gpu-0\.0: something that is no file"):
        lease_here(tmp_path, {"SMALLMIX_CARDS": "0"})
