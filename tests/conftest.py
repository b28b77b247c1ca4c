"""What tests of several kinds share. Fixtures of one kind stand beside its tests."""

from __future__ import annotations

import os
import signal
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["tests.chaos.outcomes"]

# Tests run in two processes side by side (pytest-xdist): each is to keep to one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

TESTS = Path(__file__).resolve().parent
PROJECT = TESTS.parent
REAL_IMAGES_VARIABLE = "SMALLMIX_REAL_IMAGES"
REAL_IMAGES_DEFAULT = PROJECT / ".." / "shared" / "data" / "cifar10-jpeg.tar.xz"


# Under nohup, or behind a script's `&`, signals are ignored, and so they would be in every process that tests start,
# which then wait forever for one. What is caught, though by a handler that does nothing, is not inherited.
for _name in ("SIGINT", "SIGHUP", "SIGQUIT", "SIGTERM"):
    if signal.getsignal(getattr(signal, _name)) is signal.SIG_IGN:
        signal.signal(getattr(signal, _name), lambda *_: None)

# Folders of tests that share a costly fixture of the session. One process runs such a folder, and begins with it.
KEPT_TOGETHER = ("cluster", "workflow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark which tests must run in one process, and put these first: the others fill what time is left."""
    kinds = {item: item.path.relative_to(TESTS).parts[0] for item in items}
    for item, kind in kinds.items():
        if kind in KEPT_TOGETHER:
            item.add_marker(pytest.mark.xdist_group(kind))
    items.sort(key=lambda item: kinds[item] not in KEPT_TOGETHER)


def real_images_archive() -> Path:
    """Return where the archive of the CIFAR-10 images as JPEG files would be; it need not be there."""
    return Path(os.environ.get(REAL_IMAGES_VARIABLE) or REAL_IMAGES_DEFAULT)


@pytest.fixture(scope="session")
def cifar10_jpeg_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all CIFAR-10 images as JPEG files, train.csv and test.csv, unpacked once for all tests.

    The archive's path stands in the environment variable SMALLMIX_REAL_IMAGES. Tests that use it carry the mark
    real_data and are skipped where it is not there.
    """
    archive = real_images_archive()
    if not archive.is_file():
        pytest.skip(f"the CIFAR-10 images as JPEG files are not there (set {REAL_IMAGES_VARIABLE} to their archive)")
    folder = tmp_path_factory.mktemp("real-images")
    with tarfile.open(archive, "r:*") as tar:
        tar.extractall(folder, filter="data")
    return folder / "cifar10-jpeg"


@pytest.fixture(autouse=True)
def arithmetic_as_found() -> Iterator[None]:
    """Undo what a training in this process does to the arithmetic of all tests after it (science/arithmetic.py)."""
    yield
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.set_flush_denormal(False)
        torch.set_deterministic_debug_mode("default")
