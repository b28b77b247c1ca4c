"""A study by the word that people type: a file, a name, or a folder of results."""

from __future__ import annotations

from pathlib import Path

from smallmix.errors import ConfigurationError
from smallmix.study.study import Study

BASE = "config.yaml"
PROJECT = Path(__file__).resolve().parents[3]
STUDIES = Path("workflow/studies")


def named_study(word: str | Path, root: Path = Path()) -> Study:
    """Return the study that a word names; `root` is the project's folder.

    Tried in this order: a YAML file, laid over config.yaml (config.yaml itself stands alone); a study.json file, or a
    folder that has one; a name under workflow/studies; the name of a study that has been run here.
    Raises ConfigurationError where the word names nothing, and where the configuration has errors.
    """
    path = Path(word)
    if path.suffix in (".yaml", ".yml"):
        return _of_files(path, root)
    for file in (path, path / "study.json"):
        if file.suffix == ".json" and file.is_file():
            return Study.load(file)
    for folder in (root / STUDIES, PROJECT / STUDIES):
        if (folder / f"{word}.yaml").is_file():
            return _of_files(folder / f"{word}.yaml", root)
    if (root / "results" / path / "study.json").is_file():
        return Study.load(root / "results" / path / "study.json")
    known = sorted({file.stem for folder in (root / STUDIES, PROJECT / STUDIES) for file in folder.glob("*.yaml")})
    run = sorted(file.parent.name for file in (root / "results").glob("*/study.json"))
    raise ConfigurationError(
        f"there is no study {word}. Give a YAML file, a study of workflow/studies ({', '.join(known)}), or one that "
        f"was run here ({', '.join(run) or 'none yet'})."
    )


def _of_files(path: Path, root: Path) -> Study:
    from smallmix.study.configuration import load_study  # loads the models, which jobs do without

    base = root / BASE if (root / BASE).exists() else PROJECT / BASE
    if not path.exists():
        raise ConfigurationError(f"there is no file {path}. Name a study or an existing file.")
    return load_study([base] if path.resolve() == base.resolve() else [base, path])
