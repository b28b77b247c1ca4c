"""What came into the user's folder of class folders since its arrays were made, and is no part of them.

Images that come, change or go make the arrays anew (`originals`). Other files, empty class folders and images in no
class folder do not: they are told at each start. Needs the standard library alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smallmix.datasets.description import find_description
from smallmix.datasets.folder_layout import find_images
from smallmix.datasets.image_files import open_images
from smallmix.datasets.image_list import Problems
from smallmix.study.own_images import own_images

SHOWN = 10


class _Lines(Problems):
    """Problems that raise nothing: the arrays are there."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def add(self, problem: str) -> None:
        """Add a problem as a line."""
        super().add(problem)
        self.lines.append(problem)


def explain_strays(settings: Mapping[str, Any], dataset: Path) -> str | None:
    """Return a warning about what is no part of the arrays in `dataset`, and was not said as they were made.

    `settings` are a study's `dataset` section. None where there is nothing to say, where the images lie in a zip file,
    which is read again when it changes, and where they are not there. Ask after `find_changes` has found none.
    """
    own, description = own_images(settings), find_description(dataset)
    if settings["name"] != "image-folder" or own is None or description is None or not os.path.isdir(own["folder"]):
        return None
    problems = _Lines()
    found = find_images(open_images(Path(own["folder"])), problems)
    if not any(part.rows for part in found.parts):
        return None  # the images are put away, and the arrays stand for them
    lines = [*problems.lines, *(text for text in found.warnings if text not in description.warnings)]
    if not lines:
        return None
    more = [f"and {len(lines) - SHOWN:,} more"] if len(lines) > SHOWN else []
    return "\n  - ".join(
        [
            f"dataset.image-folder.folder: {own['folder']} holds what is no part of the arrays in {dataset}/. The run "
            "goes on with these. Mend the folder before its images change, when it is read again:",
            *lines[:SHOWN],
            *more,
        ]
    )
