"""Studies as people name them on command lines, and the configuration files that these names stand for.

Nothing is the article's study, config.yaml alone. A word is the name of a study under workflow/studies/ (of the folder
where the command runs, or of smallmix itself), the name of a file beside it without its ending, or a file. The files of
several words are merged in their order. config.yaml is always the base, as with Snakemake.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from smallmix.errors import ConfigurationError
from smallmix.project_files import BASE_NAME, PROJECT

STUDIES = Path("workflow/studies")
ENDINGS = (".yaml", ".yml", ".json")
_STATED = re.compile(r"^study: *([\w-]+)", flags=re.MULTILINE)


class UnknownStudy(ConfigurationError):
    """A word that names no study and no file."""


def base_file(root: Path = Path()) -> Path:
    """Return the first file of every study: config.yaml of `root` or, where there is none, smallmix's own."""
    own = root / BASE_NAME
    return own if own.exists() else PROJECT / BASE_NAME


def study_files(words: Sequence[str], root: Path = Path()) -> list[Path]:
    """Return the configuration files of a study in the order of their merging, config.yaml first.

    Raises UnknownStudy where a word names nothing, ConfigurationError where it may mean two files of the user's own.
    """
    base = base_file(root)
    files = [find_file(word, root) for word in words]
    return [base, *(path for path in files if path.resolve() != base.resolve())]


def find_file(word: str, root: Path = Path()) -> Path:
    """Return the file that a word stands for. Files of the user's own come before smallmix's.

    Prints a note to standard error where smallmix has another study of the same name. Raises as `study_files`.
    """
    if names_file(word):
        return _named_file(word, root)
    own = _own_files(word, root)
    if len(own) > 1:
        names = " and ".join(map(str, own))
        raise ConfigurationError(f"{word}: could be {names}. Name the file instead, as in {own[0]}.")
    kept = PROJECT / STUDIES / f"{word}.yaml"
    if own:
        if kept.is_file() and not own[0].samefile(kept) and own[0].read_bytes() != kept.read_bytes():
            print(f"smallmix: {word} is {own[0]}, not smallmix's own study of that name", file=sys.stderr)
        return own[0]
    if kept.is_file():
        return kept
    base = base_file(root)
    if word == _stated_study(base):
        return base
    raise UnknownStudy(_explain_unknown(word, root))


def names_file(word: str) -> bool:
    """Return whether a word is the path of a file, and no name of a study."""
    return Path(word).suffix in ENDINGS or len(Path(word).parts) > 1


def explain_shared_name(name: str, files: Sequence[Path], root: Path = Path()) -> str | None:
    """Return what to do about a study that has the name of another file's; None where its name means its own file.

    `files` are those that were merged. A copy of an example often keeps the example's name.
    """
    meant = [*_own_files(name, root), PROJECT / STUDIES / f"{name}.yaml"][0]
    if not meant.is_file() or meant.resolve() in {path.resolve() for path in files}:
        return None
    return (
        f"the study is called {name}, and commands such as `smallmix status {name}` take that for {meant}. Give it a "
        "name of its own (study: …), or name its file there."
    )


def known_studies(root: Path = Path()) -> list[str]:
    """Return the names of all studies that a word can name, sorted: those of `root`, and smallmix's."""
    folders = {(root / STUDIES).resolve(), PROJECT / STUDIES}
    return sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})


def words_for(files: Sequence[Path], root: Path = Path()) -> list[str]:
    """Return the words that name these files in `root`: a study's name where it suffices, else the path.

    The base is left out, since every study starts with it.
    """
    return [_word_for(path, root) for path in files if path.resolve() != base_file(root).resolve()]


def _word_for(path: Path, root: Path) -> str:
    """Return a study's name where it means this very file, else the path as it was given."""
    if path.suffix == ".yaml" and path.resolve().parent in ((root / STUDIES).resolve(), (PROJECT / STUDIES).resolve()):
        own = _own_files(path.stem, root)
        meant = own[0] if own else PROJECT / STUDIES / path.name
        if len(own) < 2 and meant.resolve() == path.resolve():
            return path.stem
    return str(path)


def _named_file(word: str, root: Path) -> Path:
    """Return a file given by its path: from here, below `root`, or one of smallmix's own."""
    for path in (Path(word), root / word, PROJECT / word):
        if path.is_file():
            return path
    if (root / word).is_dir():
        raise UnknownStudy(f"{word}: is a folder. Name a configuration file, as in {word.rstrip('/')}/my-study.yaml.")
    raise UnknownStudy(_explain_unknown(word, root))


def _own_files(word: str, root: Path) -> list[Path]:
    """Return the user's files that a bare word may mean, each once."""
    candidates = [
        *(root / STUDIES / f"{word}{ending}" for ending in ENDINGS),
        *(root / f"{word}{ending}" for ending in ENDINGS),
        root / word,
    ]
    found: dict[Path, Path] = {}
    for path in candidates:
        if path.is_file():
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _stated_study(path: Path) -> str | None:
    """Return the study's name that a configuration file states; None where it cannot be read."""
    try:
        found = _STATED.search(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found.group(1) if found else None


def _explain_unknown(word: str, root: Path) -> str:
    """Return the message about a word that names nothing: what is near it, and what there is."""
    known = known_studies(root)
    is_path = names_file(word)
    beside = [path.name for ending in ENDINGS for path in sorted(root.glob(f"*{ending}")) if path.name != BASE_NAME]
    near = difflib.get_close_matches(Path(word).stem if is_path else word, known, n=3)
    near += difflib.get_close_matches(word, beside, n=3)
    problem = f"there is no such file in {root.resolve()}" if is_path else "is neither a study nor a file"
    asked = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"{word}: {problem}.{asked} Studies: {', '.join(known)}. A file of your own is named by its path."
