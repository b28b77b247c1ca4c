"""Kept memory changes no bit and takes nothing before its use; where it cannot be had, training goes on without."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from smallmix.errors import Interrupted
from smallmix.training import kept_memory
from smallmix.training import train_cell as train_cell_module
from smallmix.training.kept_memory import (
    KEPT,
    KEPT_IN_HUGE_PAGES,
    M_MMAP_MAX,
    M_TOP_PAD,
    M_TRIM_THRESHOLD,
    expected_bytes,
    keep_memory,
)

from benchmarks.workload import ARTICLE, DEMO
from tests.tiny_cell import StopAtCheck, TinyData, tiny_cell

PROJECT = Path(__file__).resolve().parents[3]
LIMIT_CLOSE = "not kept (a limit of the process is too close)"

# What each process of its own begins with: a training of a network that is wide enough for blocks that the C library
# would map one by one.
BEGINNING = """
import ctypes, dataclasses, json, resource, sys
from pathlib import Path
sys.path[:0] = [{project!r} + "/workflow", {project!r}]
import torch
from smallmix.training import kept_memory, train_cell as train_cell_module
from tests.tiny_cell import TinyData, tiny_cell

LIBRARY = ctypes.CDLL(None)
LIBRARY.sbrk.restype, LIBRARY.sbrk.argtypes = ctypes.c_void_p, [ctypes.c_ssize_t]
MIB = 2**20

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))

def limit_addresses(more):
    size = status("VmSize") + more
    resource.setrlimit(resource.RLIMIT_AS, (size, size))

def cell(**recipe):
    one = tiny_cell("images-and-labels", size=200, **{{"batch_size": 100, **recipe}})
    return dataclasses.replace(one, model=dataclasses.replace(one.model, width=16))

def train(one):
    output, lines = TinyData.write(FOLDER, size=200).train(one, FOLDER)
    return json.loads((output / "metrics.json").read_text())

FOLDER = Path(sys.argv[1])
FOLDER.mkdir()
"""


def in_a_process(folder: Path, program: str) -> Any:
    """Run the program in a process of its own, with another C heap; return what it printed, read as JSON."""
    code = BEGINNING.format(project=str(PROJECT)) + program
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def here() -> str:
    """What a process of its own gets on this machine; skips where that is nothing."""
    code = f"import sys; sys.path.insert(0, {str(PROJECT / 'workflow')!r}); from smallmix.training import kept_memory; "
    code += "print(kept_memory.keep_memory(2**24))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    if done not in (KEPT, KEPT_IN_HUGE_PAGES):
        pytest.skip(f"memory is {done} on this machine")
    return done


def test_kept_and_usual_memory_give_equal_bytes_and_a_like_peak(tmp_path: Path, here: str) -> None:
    program = """
metrics = train(cell(precision=PRECISION))
big = torch.empty(8 * MIB)
print(json.dumps([metrics["environment"]["memory"], metrics["weights_sha256"], status("VmHWM"),
                  big.data_ptr() < LIBRARY.sbrk(0)]))
"""
    without = "train_cell_module.keep_memory = lambda reserved: 'not kept (for this test)'\n"
    for precision in ("fp32", "bf16"):
        case = f"PRECISION = {precision!r}\n"
        kept, usual = tmp_path / f"kept-{precision}", tmp_path / f"usual-{precision}"
        memory, digest, peak, in_heap = in_a_process(kept, case + program)
        usual_memory, usual_digest, usual_peak, usual_in_heap = in_a_process(usual, case + without + program)
        assert (memory, usual_memory) == (here, "not kept (for this test)")
        assert (in_heap, usual_in_heap) == (True, False), "otherwise both had the same memory, and this shows nothing"
        assert digest == usual_digest
        for name in ("history.csv", "predictions.npz"):
            assert (kept / "cell" / name).read_bytes() == (usual / "cell" / name).read_bytes()
        assert peak < 1.05 * usual_peak


def test_the_reserve_takes_addresses_and_no_memory(tmp_path: Path, here: str) -> None:
    resident, addresses = in_a_process(
        tmp_path / "one",
        """
before = status("VmRSS"), status("VmSize")
kept_memory.keep_memory(1024 * MIB)
kept_memory.keep_memory(1024 * MIB)  # a second cell in the process reserves nothing more
print(json.dumps([(status(name) - one) / MIB for name, one in zip(("VmRSS", "VmSize"), before)]))
""",
    )
    assert resident < 5
    assert 1000 < addresses < 1200


def test_memory_does_not_grow_from_step_to_step(tmp_path: Path, here: str) -> None:
    program = """
from smallmix.training import training_loop
seen = []
evaluate_training = training_loop.evaluate_training
def watched(*arguments):
    seen.append(status("VmRSS") / MIB)
    return evaluate_training(*arguments)
training_loop.evaluate_training = watched
# The last batch of each epoch has 20 images: blocks of two sizes take turns.
train(cell(batch_size=30, iterations=200, every=20))
print(json.dumps(seen))
"""
    seen = in_a_process(tmp_path / "one", program)
    assert len(seen) == 10
    assert seen[-1] - seen[2] < 4, seen


def test_a_close_limit_of_addresses_leaves_memory_alone_and_trains(tmp_path: Path, here: str) -> None:
    memory = in_a_process(
        tmp_path / "one",
        """
train_cell_module.expected_bytes = lambda *arguments: 1024 * MIB
limit_addresses(700 * MIB)
metrics = train(cell())
big = torch.empty(8 * MIB)
assert big.data_ptr() > LIBRARY.sbrk(0), "the usual allocator maps large blocks one by one"
print(json.dumps(metrics["environment"]["memory"]))
""",
    )
    assert memory == LIMIT_CLOSE


@pytest.mark.parametrize("room", [300, 400])
@pytest.mark.parametrize("reserved", [8, 1024])
def test_running_out_of_memory_is_told_as_ever(tmp_path: Path, reserved: int, room: int, here: str) -> None:
    """With kept memory and with the usual one; a batch of 8,000 images needs about a gigabyte at this width.

    Which part runs out first depends on the processor: PyTorch's allocator and oneDNN say it in different words.
    """
    program = f"""
train_cell_module.expected_bytes = lambda *arguments: {reserved} * MIB
from smallmix.errors import TrainingError
kept = []
def keep_memory(reserved):
    kept.append(kept_memory.keep_memory(reserved))
    return kept[0]
train_cell_module.keep_memory = keep_memory
one = dataclasses.replace(cell(batch_size=8000), subset=dataclasses.replace(cell().subset, size=8000))
data = TinyData.write(FOLDER, size=8000)
limit_addresses({room} * MIB)
try:
    data.train(one, FOLDER)
except TrainingError as error:
    print(json.dumps([*kept, str(error)]))
"""
    memory, message = in_a_process(tmp_path / "one", program)
    assert memory == (here if reserved == 8 else LIMIT_CLOSE)
    assert re.match(
        r"out of memory on the CPU \(.* free; this process may take [\d,]+ bytes, which ulimit -v ", message
    )
    assert "with batches of 8000 images at width 16" in message
    assert message.endswith("the batch size is never changed silently.")


def test_another_memory_is_no_other_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training goes on elsewhere, where memory is managed otherwise: its last digits are the same."""
    data = TinyData.write(tmp_path)
    monkeypatch.setattr(train_cell_module, "keep_memory", lambda reserved: KEPT_IN_HUGE_PAGES)
    with pytest.raises(Interrupted):
        data.train(tiny_cell(), tmp_path, StopAtCheck(4))
    monkeypatch.setattr(train_cell_module, "keep_memory", lambda reserved: LIMIT_CLOSE)
    output, lines = data.train(tiny_cell(), tmp_path)
    assert any(line.startswith("continued from the checkpoint") for line in lines)
    assert not any("elsewhere" in line for line in lines)
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["environment"]["memory"] == LIMIT_CLOSE
    assert metrics["earlier_environments"] == []


def test_the_expectation_follows_the_cell() -> None:
    article, demo = ((one.cell(), (one.side, one.side, one.channels), 10) for one in (ARTICLE, DEMO))
    assert expected_bytes(*demo) < 32 * 2**20
    assert 2**30 < expected_bytes(*article) < 3 * 2**30


class StandIn:
    """A C library that notes how it is adjusted and hands out one address."""

    def __init__(self, block: int | None, end: int = 2**40, agrees: bool = True) -> None:
        self.settings: dict[int, int] = {}
        self.advised: list[tuple[int, int, int]] = []
        self.freed: list[int | None] = []
        self.malloc = self._function(lambda size: block)
        self.free = self._function(self.freed.append)
        self.sbrk = self._function(lambda increment: end)
        self.mallopt = self._function(self.settings.__setitem__)
        self.madvise = self._function(self._advise)
        self.agrees = agrees
        self.gnu_get_libc_version = self._function(lambda: b"2.36")

    def _advise(self, first: int, length: int, advice: int) -> int:
        self.advised.append((first, length, advice))
        return 0 if self.agrees else -1

    @staticmethod
    def _function(body: Any) -> Any:
        """A function that takes attributes, as those of a real library do."""

        def function(*arguments: Any) -> Any:
            return body(*arguments)

        return function


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system's own files, in a folder, with nothing that limits memory."""
    (tmp_path / "thp").write_text("always [madvise] never\n", encoding="ascii")
    (tmp_path / "overcommit").write_text("0\n", encoding="ascii")
    (tmp_path / "groups").write_text("9:name=systemd:/\n4:cpu,memory:/a/job\n0::/a/job\n", encoding="ascii")
    (tmp_path / "cgroup" / "a" / "job").mkdir(parents=True)
    (tmp_path / "cgroup" / "memory" / "a" / "job").mkdir(parents=True)
    monkeypatch.setattr(kept_memory, "HUGE_PAGE_SETTING", tmp_path / "thp")
    monkeypatch.setattr(kept_memory, "OVERCOMMIT_SETTING", tmp_path / "overcommit")
    monkeypatch.setattr(kept_memory, "CONTROL_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(kept_memory, "CONTROL_GROUP_FOLDERS", tmp_path / "cgroup")
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY,) * 2)
    return tmp_path


ROOM = 100 * 2**20
USUAL = {M_MMAP_MAX: 65_536, M_TRIM_THRESHOLD: 64 * 2**20, M_TOP_PAD: 0, kept_memory.M_MMAP_THRESHOLD: 32 * 2**20}


def test_whole_huge_pages_of_the_block_are_asked_for(system: Path) -> None:
    library = StandIn(block=2**30 + 16)
    assert keep_memory(ROOM, library) == KEPT_IN_HUGE_PAGES
    assert library.settings[M_MMAP_MAX] == 0
    assert library.settings[M_TRIM_THRESHOLD] >= 2**31 - 1
    ((first, length, advice),) = library.advised
    assert (first, length, advice) == (2**30 + 2**21, ROOM - 2**21, 14)
    assert library.freed == [2**30 + 16]


@pytest.mark.parametrize("missing", ["gnu_get_libc_version", "mallopt", "sbrk"])
def test_another_c_library_is_left_alone(system: Path, missing: str) -> None:
    library = StandIn(block=2**30)
    delattr(library, missing)
    assert keep_memory(ROOM, library) == "not kept (the C library is not glibc)"
    assert not library.settings


@pytest.mark.parametrize(
    "library",
    [StandIn(block=None), StandIn(block=2**46)],
    ids=["no block", "a block outside of the heap, of another allocator"],
)
def test_without_a_block_the_library_is_set_back(system: Path, library: StandIn) -> None:
    assert keep_memory(ROOM, library) == "not kept (no block of that size in the C library's heap)"
    assert library.settings == USUAL
    assert not library.advised


@pytest.mark.parametrize("setting", ["always madvise [never]\n", None])
def test_without_huge_pages_memory_is_kept_all_the_same(system: Path, setting: str | None) -> None:
    if setting is None:
        (system / "thp").unlink()
    else:
        (system / "thp").write_text(setting, encoding="ascii")
    library = StandIn(block=2**30)
    assert keep_memory(ROOM, library) == KEPT
    assert library.settings[M_MMAP_MAX] == 0
    assert keep_memory(ROOM, StandIn(block=2**30, agrees=False)) == KEPT


def test_where_reserved_memory_counts_as_used_nothing_is_reserved(system: Path) -> None:
    (system / "overcommit").write_text("2\n", encoding="ascii")
    library = StandIn(block=2**30)
    assert keep_memory(ROOM, library) == "not kept (the system counts reserved memory as used)"
    assert not library.settings


@pytest.mark.parametrize("kind", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_limits_of_the_process(system: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    limits = {"RLIMIT_AS": 2**60, "RLIMIT_DATA": 2**60}
    named = {getattr(resource, name): name for name in limits}
    monkeypatch.setattr(resource, "getrlimit", lambda one: (limits[named[one]], 2**60))
    assert keep_memory(ROOM, StandIn(block=2**30)) == KEPT_IN_HUGE_PAGES
    limits[kind] = 2 * ROOM  # but this process has addresses of its own
    assert keep_memory(ROOM, StandIn(block=2**30)) == LIMIT_CLOSE


@pytest.mark.parametrize(
    ("folder", "limit", "taken"),
    [
        ("cgroup/a/job", "memory.max", "anon"),
        ("cgroup/a", "memory.max", "anon"),
        ("cgroup/memory/a/job", "memory.limit_in_bytes", "total_rss"),
        ("cgroup/memory", "memory.limit_in_bytes", "total_rss"),
    ],
    ids=["version 2", "version 2, around it", "version 1", "version 1, around it"],
)
def test_limits_of_the_job(system: Path, folder: str, limit: str, taken: str) -> None:
    group = system / folder
    statistics = f"total_cache 999999999\nfile 999999999\n{taken} 1000\n"
    (group / "memory.stat").write_text(statistics, encoding="ascii")
    for content, memory in (
        ("max\n", KEPT_IN_HUGE_PAGES),
        (f"{ROOM + 1000}\n", KEPT_IN_HUGE_PAGES),
        (f"{ROOM + 999}\n", "not kept (a limit of the job's memory is too close)"),
    ):
        (group / limit).write_text(content, encoding="ascii")
        assert keep_memory(ROOM, StandIn(block=2**30)) == memory


def test_without_the_files_of_linux_there_is_no_known_limit(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OVERCOMMIT_SETTING", "CONTROL_GROUPS", "MEMORY_INFORMATION", "HUGE_PAGE_SETTING"):
        monkeypatch.setattr(kept_memory, name, system / "nowhere")
    assert keep_memory(ROOM, StandIn(block=2**30)) == KEPT


def test_a_library_that_cannot_be_opened_is_no_error(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: None) -> None:
        raise TypeError("expected a name")  # as Windows does

    monkeypatch.setattr(kept_memory, "ctypes", SimpleNamespace(CDLL=refuse))
    assert keep_memory(ROOM) == "not kept (the C library is not glibc)"
