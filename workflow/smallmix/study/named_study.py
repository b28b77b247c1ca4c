"""One study by the word that people type: a name, a configuration file, or a folder of results."""

from __future__ import annotations

from pathlib import Path

from smallmix.study.study import Study
from smallmix.study.study_names import UnknownStudy, study_files


def named_study(word: str | Path, root: Path = Path()) -> Study:
    """Return the study that a word names; `root` is the folder where runs were started.

    Tried in this order: a study.json file, or a folder that has one; what `study_files` reads a word as; the name of a
    study that was run here.
    Raises ConfigurationError where the word names nothing, and where the configuration has errors.
    """
    path = Path(word)
    for file in (path, path / "study.json", root / path, root / path / "study.json"):
        if file.name == "study.json" and file.is_file():
            return Study.load(file)
    try:
        files = study_files([str(word)], root)
    except UnknownStudy:
        if (root / "results" / path / "study.json").is_file():
            return Study.load(root / "results" / path / "study.json")
        raise
    from smallmix.study.configuration import load_study  # loads the models, which jobs do without

    return load_study(files)
