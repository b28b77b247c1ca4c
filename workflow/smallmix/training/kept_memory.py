"""The memory of a training on a CPU: kept after use and, where the system gives them, in huge pages.

A step needs the same memory as the step before. The C library gives large blocks back to the system and gets them
again, and the system fills each of their pages with zeros: a tenth to a fifth of a step on images of 32 x 32 pixels.
Here the library keeps what was freed, in one block that is reserved beforehand. The block is a range of addresses: it
takes no memory before a tensor is written there. Huge pages (2 MiB instead of 4 KiB) make its first use cheap.

It changes no number, only where numbers lie, so records of different memory count as equal. Where it cannot be had,
the training goes on with the memory as the library manages it.
"""

from __future__ import annotations

import contextlib
import ctypes
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smallmix.science.evaluation import BATCH_SIZE
from smallmix.study.cell import Cell
from smallmix.training.network_costs import network_cost

MEMORY = "memory"  # its name in a record's environment
KEPT_IN_HUGE_PAGES = "kept, in huge pages"
KEPT = "kept, in pages of the usual size"

# Numbers of the GNU C library (malloc.h) and of Linux (mman.h).
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -2, -3, -4
LARGEST_THRESHOLD = 2**31 - 1
LARGEST_MMAP_THRESHOLD, USUAL_MMAP_MAX = 32 * 2**20, 65_536
MADV_HUGEPAGE = 14
HUGE_PAGE = 2 * 2**20
GROWTH = 64 * 2**20  # bytes by which the heap grows beyond the reserved block

BYTES_A_NUMBER = 4
EVALUATED_MAPS = 5 * BATCH_SIZE  # of an evaluation: at most five maps of each of its images
COPIES_OF_WEIGHTS = 4  # weights, gradients, momentum, and a copy in another order

MEMORY_INFORMATION = Path("/proc/self/status")
CONTROL_GROUPS = Path("/proc/self/cgroup")
CONTROL_GROUP_FOLDERS = Path("/sys/fs/cgroup")
HUGE_PAGE_SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
OVERCOMMIT_SETTING = Path("/proc/sys/vm/overcommit_memory")


def expected_bytes(cell: Cell, image_shape: tuple[int, int, int], classes: int) -> int:
    """Return about how many bytes the tensors of a step or of an evaluation take; image_shape is (H, W, C).

    It need not be exact: memory beyond the reserved block is kept, too.
    """
    side, _, channels = image_shape
    cost = network_cost(cell.model, side, channels, classes)
    maps = cost.kept * cell.recipe.batch_size + EVALUATED_MAPS * cost.largest
    return BYTES_A_NUMBER * (maps + COPIES_OF_WEIGHTS * cost.parameters)


def keep_memory(reserved: int, library: Any = None) -> str:
    """Let this process keep the memory that it frees, with `reserved` bytes of addresses; return what was done.

    Returns a description for the record: KEPT_IN_HUGE_PAGES, KEPT, or `not kept` and the reason. Raises nothing: a
    training needs none of it. `library` is the C library that the process uses (a stand-in in tests).
    """
    try:
        library = ctypes.CDLL(None) if library is None else library
        allocate, free, adjust, end = library.malloc, library.free, library.mallopt, library.sbrk
        library.gnu_get_libc_version  # noqa: B018 (others have functions of these names that do something else)
    except (AttributeError, OSError, TypeError):
        return "not kept (the C library is not glibc)"
    allocate.restype, allocate.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    free.restype, free.argtypes = None, [ctypes.c_void_p]
    end.restype, end.argtypes = ctypes.c_void_p, [ctypes.c_ssize_t]
    reason = _reason_against(reserved)
    if reason is not None:
        return f"not kept ({reason})"

    for setting, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, LARGEST_THRESHOLD), (M_TOP_PAD, GROWTH)):
        adjust(setting, value)
    block = allocate(reserved)
    if not block or not block < (end(0) or 0):
        # As the library is after it has freed its first large block. Its defaults cannot be set again.
        free(block)
        usual = LARGEST_MMAP_THRESHOLD
        for setting, value in (
            (M_MMAP_MAX, USUAL_MMAP_MAX), (M_MMAP_THRESHOLD, usual), (M_TRIM_THRESHOLD, 2 * usual), (M_TOP_PAD, 0),
        ):  # fmt: skip
            adjust(setting, value)
        return "not kept (no block of that size in the C library's heap)"
    huge = _has_huge_pages() and _advise_huge_pages(library, block, reserved)
    free(block)
    return KEPT_IN_HUGE_PAGES if huge else KEPT


def _advise_huge_pages(library: Any, block: int, size: int) -> bool:
    """Ask for huge pages in the block; return whether the system agreed."""
    first = -(-block // HUGE_PAGE) * HUGE_PAGE
    length = (block + size) // HUGE_PAGE * HUGE_PAGE - first
    advise = library.madvise
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return length > 0 and advise(first, length, MADV_HUGEPAGE) == 0


def _has_huge_pages() -> bool:
    """Return whether the system gives huge pages to those who ask; it accepts the question either way."""
    return "[never]" not in _text(HUGE_PAGE_SETTING, "[never]")


def _reason_against(reserved: int) -> str | None:
    """Return why this process should not reserve so many bytes; None where nothing speaks against it.

    The room below a limit of addresses must hold the block twice: PyTorch itself needs addresses, too. A limit of
    memory must leave room for all that the training is expected to touch: near it, freed memory is better given back.
    """
    if _text(OVERCOMMIT_SETTING, "0").strip() == "2":
        return "the system counts reserved memory as used"
    used = dict(line.split(":", 1) for line in _text(MEMORY_INFORMATION, "").splitlines() if ":" in line)
    for limit, name in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        largest = resource.getrlimit(limit)[0]
        kilobytes = int(used.get(name, "0").split()[0])
        if largest != resource.RLIM_INFINITY and largest - 1024 * kilobytes < 2 * reserved:
            return "a limit of the process is too close"
    if any(room < reserved for room in _rooms_of_control_groups()):
        return "a limit of the job's memory is too close"
    return None


def _rooms_of_control_groups() -> Iterator[int]:
    """Yield how many bytes each control group of this process, and each group around it, may still take.

    The cache of files does not count as taken: the system drops it where a process needs the room.
    """
    for line in _text(CONTROL_GROUPS, "").splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0":
            top, limit, taken = CONTROL_GROUP_FOLDERS, "memory.max", "anon"
        elif "memory" in controllers.split(","):
            top, limit, taken = CONTROL_GROUP_FOLDERS / "memory", "memory.limit_in_bytes", "total_rss"
        else:
            continue
        folder = top / path.strip("/")
        for group in (folder, *folder.parents):
            if not group.is_relative_to(top):
                break
            with contextlib.suppress(ValueError):  # `max` is no number: there is no limit
                numbers = dict(line.split(" ", 1) for line in _text(group / "memory.stat", "").splitlines())
                yield int(_text(group / limit, "max")) - int(numbers.get(taken, "0"))


def _text(path: Path, otherwise: str) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return otherwise
