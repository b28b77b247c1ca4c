"""One study by the word that people type: a name, a configuration file, or a folder of results or of kept tables."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from smallmix.errors import ConfigurationError
from smallmix.study.layout import Layout
from smallmix.study.study import Study
from smallmix.study.study_names import UnknownStudy, names_file, study_files

KEPT = Path("reports/reference")  # where `keep` puts the tables of finished studies, each in a folder of its name


@dataclass(frozen=True)
class StudyResultsPlace:
    """A study, the folder of its tables, and the project's folder `root`, below which its cells and images lie.

    `kept` says that the tables are all there is: no cells, no images. `meant` is the study of the configuration that
    was named: the results may be those of an earlier one.
    """

    study: Study
    tables: Path
    kept: bool
    root: Path = Path()
    meant: Study | None = None

    @property
    def layout(self) -> Layout:
        """Return where the study's other files lie."""
        return Layout(self.study, self.root)


def find_results(word: str | Path, root: Path = Path()) -> StudyResultsPlace:
    """Return the study that a word names, with the tables to read. `root` is the folder where runs were started.

    A folder results/<study> means what lies there, be it below `root` or in another project. Any other folder with
    study.json and metrics.csv is a kept study. A name or a configuration file means the study's results here. Where
    there are none, it means the kept study of that name, if there is one.
    Raises as `named_study`, and where a folder has a study.json and neither results nor kept ones.
    """
    file = _study_file(Path(word), root)
    if file is not None:
        return _place_of(file, root)
    try:
        study = named_study(word, root)
    except UnknownStudy:
        if not (root / KEPT / word / "study.json").is_file():
            raise
        return find_kept(str(word), root)
    layout = Layout(study, root)
    if not layout.study_file.is_file() and (root / KEPT / study.name / "study.json").is_file():
        kept = find_kept(study.name, root)
        # Kept studies may have been run with an overlay more. A file says what is meant, a name alone does not.
        return replace(kept, meant=study) if names_file(str(word)) else kept
    return StudyResultsPlace(study, layout.results, kept=False, root=root, meant=study)


def find_kept(name: str, root: Path = Path()) -> StudyResultsPlace:
    """Return the kept study of a name. Raises ConfigurationError where none was kept."""
    folder = root / KEPT / name
    if not (folder / "study.json").is_file():
        raise ConfigurationError(
            f"no results of {name} are kept: there is no {folder / 'study.json'}. `smallmix keep {name}` keeps those "
            "of a finished study."
        )
    return _place_of(folder / "study.json", root)


def named_study(word: str | Path, root: Path = Path()) -> Study:
    """Return the study that a word names; `root` is the folder where runs were started.

    Tried in this order: a study.json file, or a folder that has one; what `study_files` reads a word as; the name of a
    study that was run here.
    Raises ConfigurationError where the word names nothing, and where the configuration has errors.
    """
    path = Path(word)
    file = _study_file(path, root)
    if file is not None:
        return Study.load(file)
    try:
        files = study_files([str(word)], root)
    except UnknownStudy:
        if (root / "results" / path / "study.json").is_file():
            return Study.load(root / "results" / path / "study.json")
        raise
    from smallmix.study.configuration import load_study  # loads the models, which jobs do without

    return load_study(files)


def _place_of(file: Path, root: Path) -> StudyResultsPlace:
    """Return the study of a study.json and what its folder is: results here, results of another project, or kept ones.

    Raises ConfigurationError where it is none of these.
    """
    study = Study.load(file)
    folder, here = file.parent, Layout(study, root)
    if folder.resolve().is_relative_to(here.results.resolve()):
        return StudyResultsPlace(study, folder, kept=False, root=root)
    # A run has cells, and `keep` writes none. The path as typed comes first: either folder may be a link.
    is_run = (folder / "cells").is_dir() or (folder / "cells.csv").is_file()
    for place in (Path(os.path.abspath(folder)), folder.resolve()):
        if is_run and place.parts[-2:] == ("results", study.name):
            return StudyResultsPlace(study, folder, kept=False, root=place.parents[1])
    if not (folder / "metrics.csv").is_file():
        raise ConfigurationError(
            f"{folder} has a study.json and no metrics.csv, so that it has no results to read. Restore metrics.csv "
            f"from version control, or name the study, {study.name}, for its results here."
        )
    return StudyResultsPlace(study, folder, kept=True, root=root)


def _study_file(path: Path, root: Path) -> Path | None:
    """Return the study.json that a path names, itself or by its folder; None where it names none."""
    for file in (path, path / "study.json", root / path, root / path / "study.json"):
        if file.name == "study.json" and file.is_file():
            return file
    return None
