"""All studies that a project knows: those that can be named there, and those that were run there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smallmix.errors import SmallmixError
from smallmix.project_files import PROJECT
from smallmix.study.layout import RESERVED_STUDIES, Folders, Layout
from smallmix.study.study import Study
from smallmix.study.study_names import ENDINGS, STUDIES, base_file


@dataclass(frozen=True)
class KnownStudies:
    """The studies, each configuration once; and what is wrong with the files that name none, a sentence each."""

    layouts: tuple[Layout, ...]
    problems: tuple[str, ...] = ()


def find_known_studies(root: Path = Path()) -> KnownStudies:
    """Return the studies of the project's folder `root`.

    They are those of config.yaml alone, of the files in workflow/studies (its own and smallmix's), and those whose
    resolved configuration lies in results, which may be another one than its file has now.
    """
    from smallmix.study.configuration import load_study  # loads the models

    base = base_file(root)
    folders = {(root / STUDIES).resolve(), (PROJECT / STUDIES).resolve()}
    overlays = sorted(path for folder in folders for path in folder.glob("*") if path.suffix in ENDINGS)
    studies: list[Study] = []
    problems: list[str] = []
    for files in ([base], *([base, overlay] for overlay in overlays)):
        try:
            studies.append(load_study(files))
        except SmallmixError as error:
            problems.append(f"{files[-1]}: {error}")
    for file in sorted((root / Folders.of_this_process().results).glob("*/study.json")):
        if file.parent.name in RESERVED_STUDIES:
            continue
        try:
            studies.append(Study.load(file))
        except SmallmixError as error:
            problems.append(str(error))
    distinct = {study.to_json(): study for study in studies}
    return KnownStudies(tuple(Layout(study, root) for study in distinct.values()), tuple(problems))
