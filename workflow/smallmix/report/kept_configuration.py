"""What a kept study needs to be run again: configuration files that the project does not bring, and own code.

A kept configuration file finds the user's files by the names that it writes: they keep their places beside it. What it
names by a path out of its folder lies in own_code/ of the kept folder, and the kept copy names it there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from smallmix.errors import SmallmixError
from smallmix.project_files import PROJECT
from smallmix.study.configuration import NamedFile, named_own_code
from smallmix.study.layout import Layout
from smallmix.study.named_study import KEPT
from smallmix.study.study_names import STUDIES

OWN_CODE = "own_code"  # also the folder of the copies in results/<study>


@dataclass
class KeptConfiguration:
    """The files to keep by their names in the folder, and the configuration files that the command names."""

    files: dict[str, bytes] = field(default_factory=dict)
    overlays: list[Path] = field(default_factory=list)

    def add(self, name: str, content: bytes) -> None:
        """Add a file. Raises SmallmixError where another one would lie at its place."""
        if self.files.setdefault(name, content) != content:
            raise SmallmixError(f"two different files of this study would both be kept as {name}. Rename one of them.")


def keep_configuration(files: Sequence[Path], layout: Layout, folder: Path) -> KeptConfiguration:
    """Return what goes into `folder`. `files` are the configuration files in the order of their merging.

    Kept are overlays that the project does not bring, and those that name the user's own code. A method's or network's
    file is kept as the cells were trained by it. Raises SmallmixError where a file cannot be read, where two would lie
    at one place, and where the path of own code cannot be written otherwise.
    """
    kept = KeptConfiguration()
    brought = {(root / place).resolve() for root in (layout.root, PROJECT) for place in (STUDIES, KEPT)}
    named = named_own_code(files)
    for path in files[1:]:
        own = [one for one in named if _is_stated_in(one, path)]
        if path.resolve().parent in brought and not own:
            kept.overlays.append(path)
            continue
        place = _place_of_overlay(path, kept)
        kept.overlays.append(folder / place)
        kept.add(place, _renamed(_read(path), path, own, place))
        for one in own:
            _add_code(kept, one, PurePosixPath(place).parent, layout)
    for one in named:
        if _is_stated_in(one, files[0]):
            _add_code(kept, one, PurePosixPath(), layout)
    return kept


def _place_of_overlay(path: Path, kept: KeptConfiguration) -> str:
    """Return the name of a configuration file in the folder. A second one of a name lies in a folder, as now."""
    return path.name if path.name not in kept.files else f"{path.resolve().parent.name}/{path.name}"


def _add_code(kept: KeptConfiguration, one: NamedFile, beside: PurePosixPath, layout: Layout) -> None:
    name = (beside / _kept_as(one)).as_posix()
    copy = layout.results / OWN_CODE / Path(one.found).name
    kept.add(name, _read(copy if copy.is_file() else Path(one.found)))


def _kept_as(one: NamedFile) -> str:
    """Return where a file lies, as seen from the kept configuration file: where it lay, unless that is out of reach."""
    written = PurePosixPath(os.path.normpath(one.written))
    leads_out = written.is_absolute() or ".." in written.parts
    return f"{OWN_CODE}/{written.name}" if leads_out else written.as_posix()


def _renamed(content: bytes, path: Path, own: Sequence[NamedFile], place: str) -> bytes:
    """Return a configuration file's content with the paths of the user's files by which the kept copy finds them."""
    for written, name in {(one.written, _kept_as(one)) for one in own}:
        if os.path.normpath(written) == name:
            continue
        # A whole path, not the end of a longer one.
        pattern = re.compile(rb"(?<![^\s\"'\[{,:])" + re.escape(written.encode()) + rb"(?=:)")
        content, count = pattern.subn(name.encode().replace(b"\\", b"\\\\"), content)
        if not count:
            raise SmallmixError(
                f"{path} names {written}, which {place} would not find, and that path is not written as it is read. "
                "Write it without escapes, or relative to the configuration's folder."
            )
    return content


def _is_stated_in(one: NamedFile, path: Path) -> bool:
    return one.stated_in is not None and one.stated_in.resolve() == path.resolve()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SmallmixError(f"cannot read {path}: {error}. Correct the path, or restore the file.") from error
