"""The folders that runs write into and clean up: which names they reserve, and which folders of images are too near."""

from __future__ import annotations

import os
from pathlib import Path

# results/store, results/slots, reports/reference, reports/bench and logs/datasets lie beside the folders of studies.
RESERVED_STUDIES = ("store", "partial", "slots", "reference", "bench", "datasets")
# resources/downloads keeps the archive of CIFAR-10.
RESERVED_IDENTIFIERS = ("cifar10", "digits", "downloads", "store", "partial")
RESOURCES = Path("resources")
WRITTEN = ("results", "reports", "logs", ".snakemake", "workflow")


def explain_overlap(folder: str, identifier: str, root: Path = Path()) -> str | None:
    """Return why the user's images may not lie in `folder`, in words; None where nothing of smallmix's own is near.

    Links are followed. `root` is the project's folder, where relative paths start.
    """
    try:
        place = Path(os.path.realpath(root / folder))
        own = [RESOURCES / identifier, *(RESOURCES / name for name in RESERVED_IDENTIFIERS), *map(Path, WRITTEN)]
        remedy = "Put the images into a folder of their own, such as data/my-images"
        for name in own:
            real = Path(os.path.realpath(root / name))
            if place == real or place.is_relative_to(real):
                return f"that lies in {name}/, where runs write and delete files. {remedy}"
        for name in own:
            if Path(os.path.realpath(root / name)).is_relative_to(place):
                return f"{name}/, where runs write and delete files, lies in that folder. {remedy}"
    except (OSError, ValueError):
        return None  # no path at all: reading the images says so
    return None
