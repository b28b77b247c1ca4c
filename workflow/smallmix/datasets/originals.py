"""Record what a dataset's arrays were made from, and find what has changed since: settings, lists, images.

The record lies beside the arrays, as made_from.json. It is compared with the configuration and the files at each start,
because Snakemake does not notice replaced images, and --touch makes it forget what changed. Sizes and times are
compared first; only files where they differ are read again. Needs the standard library alone.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallmix.atomic_files import write_text
from smallmix.datasets.description import (
    DESCRIPTION_FILE,
    TABLE_FILE,
    TABLE_HEADER,
    DatasetDescription,
    load_description,
)
from smallmix.datasets.folder_layout import find_images
from smallmix.datasets.image_files import open_images
from smallmix.datasets.image_list import TEST_LIST, TRAIN_LIST, Problems, read_image_list
from smallmix.errors import DatasetError
from smallmix.fingerprints import fingerprint_file
from smallmix.study.layout import DATASET_FILES
from smallmix.study.own_images import OWN_IMAGES, own_images

RECORD_FILE = "made_from.json"
RECORD_FORMAT = 1
LISTS = (TRAIN_LIST, TEST_LIST)
COMPARED = ("title", "image_size", "color", "fit", "classes", "test_share", "split_seed")
ADDED_LATER = {"fit": "crop", "classes": None}  # what was done before there were these keys

FileState = tuple[int, int, int, str]  # size in bytes, times of content and of attributes in ns, sha256


@dataclass(frozen=True)
class Originals:
    """The settings that decide the arrays, and the state of each file that was read, by its path in the folder."""

    settings: Mapping[str, Any]
    files: Mapping[str, FileState]


def begin_record(folder: Path) -> None:
    """Mark `folder` as smallmix's own before anything is written there.

    Raises DatasetError where it holds files of the names that would be written, and smallmix did not make them.
    """
    explain_foreign(folder)
    if not (folder / RECORD_FILE).exists():  # else it belongs to the dataset.json that is still there
        write_text(folder / RECORD_FILE, json.dumps({"format": RECORD_FORMAT}) + "\n")


def explain_foreign(folder: Path) -> None:
    """Raise DatasetError where `folder` holds the user's own files under the names of a dataset's."""
    if foreign := _foreign_files(folder):
        raise DatasetError(
            f"{folder} holds {', '.join(foreign)}, and smallmix did not make {'it' if len(foreign) == 1 else 'them'}; "
            "the data set would be written over it. Move your files into a folder of their own, such as "
            "data/my-images, or give your images another identifier, under dataset."
        )


def is_own_folder(folder: Path) -> bool:
    """Return whether smallmix made what lies in `folder` under the names of a dataset's files."""
    return _is_marked(folder) and not _foreign_files(folder)


def note_originals(settings: Mapping[str, Any]) -> Originals:
    """Note the state of the user's files before they are decoded (none for the other kinds of datasets).

    What is wrong with the list or the files is left to the decoding.
    """
    kept = _settings_of(settings)
    if "folder" not in kept:
        return Originals(kept, {})
    place = Path(str(kept["folder"]))
    files: dict[str, FileState] = {}
    for path in _files_in_use(str(kept["name"]), place):
        with contextlib.suppress(OSError):
            files.setdefault(path, _state_of(_base(place) / path))
    return Originals(kept, files)


def keep_record(folder: Path, originals: Originals) -> None:
    """Write the record of a dataset that was just written into `folder`."""
    value = {
        "format": RECORD_FORMAT,
        "dataset": fingerprint_file(folder / DESCRIPTION_FILE),
        "settings": dict(originals.settings),
        "files": originals.files,
    }
    write_text(folder / RECORD_FILE, json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def find_changes(settings: Mapping[str, Any], folder: Path) -> str | None:
    """Return why the dataset in `folder` must be made anew for `settings` (a study's `dataset` section), as a message.

    None where it fits, or where there is none. Where the user's folder is out of reach, the arrays stand for it as
    long as the settings are unchanged; else DatasetError is raised, because they would be taken for other images.
    """
    try:
        description = load_description(folder)
    except DatasetError:
        return None  # Snakemake misses the file, or the step that needs it reports what is wrong
    record = _read_record(folder)
    reason = _other_settings(settings, record, description)
    lost = [name for name in DATASET_FILES if not (folder / name).exists()]
    if lost:
        reason = f"{', '.join(lost)} was lost"
    own = own_images(settings)
    if own is None:
        return reason
    name, images = str(settings["name"]), Path(str(own["folder"]))
    if not _in_reach(name, images):
        if reason is None:
            return None
        missing = "no images are there" if name == "image-folder" else "train.csv and test.csv are not in that folder"
        what = missing if os.path.isdir(images) else "there is no such folder"
        home = " ~ is not expanded: write the path in full." if str(images).startswith("~") else ""
        raise DatasetError(
            f"dataset.{name}.folder: found {str(images)!r}; {what}, and the arrays in {folder}/ were made otherwise "
            f"({reason}). Mend the path or bring the folder back.{home}"
        )
    reason = reason or _changed_split(folder, description)
    if record is None and name == "image-folder":
        return reason or f"{RECORD_FILE} was lost"
    if reason or record is None:
        return reason or _changed_lists(images, description)
    return _changed_files(folder, _base(images), record, _files_in_use(name, images) if name == "image-folder" else ())


def _files_in_use(name: str, place: Path) -> list[str]:
    """Return the paths of the user's files that decide the arrays, in `_base`: lists, images, or the one zip file."""
    if name == "image-list":
        return [
            path
            for file in LISTS
            for path in dict.fromkeys([file, *(row.path for row in read_image_list(place / file))])
        ]
    if not os.path.isdir(place):
        return [place.name] if os.path.isfile(place) else []
    found = find_images(open_images(place), Problems())
    return sorted(row.path for part in found.parts for row in part.rows)


def _base(place: Path) -> Path:
    """Return the folder where the paths of the user's files begin."""
    return place if os.path.isdir(place) else place.parent


def _in_reach(name: str, images: Path) -> bool:
    if name == "image-list":
        return all(os.path.isfile(images / file) for file in LISTS)
    return os.path.isfile(images) or any(files for _, _, files in os.walk(images))


def _settings_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    name, section = settings.get("name"), own_images(settings)
    if section is None:
        return {"name": name}
    folder = str(section.get("folder"))
    return {
        "name": name,
        "folder": folder,
        "resolved": os.path.realpath(folder),
        **{key: section.get(key, ADDED_LATER.get(key)) for key in COMPARED if key in section or key in ADDED_LATER},
    }


def _other_settings(
    settings: Mapping[str, Any], record: Mapping[str, Any] | None, description: DatasetDescription
) -> str | None:
    """Return the first setting under which the arrays were made otherwise.

    The folder counts only where it is out of reach.
    """
    wanted = _settings_of(settings)
    made = record["settings"] if record else _settings_by_description(description)
    for key in ("name", *COMPARED):
        before = made.get(key, ADDED_LATER.get(key, wanted.get(key)))
        if key in wanted and before != wanted[key]:
            return f"{key} was {before!r}, now it is {wanted[key]!r}"
    if wanted["name"] not in OWN_IMAGES or _in_reach(wanted["name"], Path(wanted["folder"])):
        return None
    if record and made["folder"] != wanted["folder"] and made["resolved"] != wanted["resolved"]:
        return f"folder was {made['folder']!r}"
    if not record and made["folder"] != Path(wanted["resolved"]).name:
        return f"folder was named {made['folder']!r}"
    return None


def _settings_by_description(description: DatasetDescription) -> dict[str, Any]:
    """Return the settings that dataset.json shows, where its record was lost, or there was none yet."""
    if description.name not in OWN_IMAGES:
        return {"name": description.name}
    height, _width, channels = description.image_shape
    return {
        "name": description.name,
        "title": description.title,
        "folder": description.source.get("folder"),
        "image_size": height,
        "color": {3: "rgb", 1: "grey"}.get(channels),
    }


def _changed_lists(images: Path, description: DatasetDescription) -> str | None:
    noted = {name: description.source.get(f"{Path(name).stem}_list_sha256") for name in LISTS}
    changed = [name for name, sha256 in noted.items() if sha256 and _sha256(images / name) != sha256]
    return f"{', '.join(changed)} changed since" if changed else None


def _changed_split(folder: Path, description: DatasetDescription) -> str | None:
    """Return that the table of a division is not that of the arrays, where there is one."""
    name = description.source.get("split_file")
    if name is None or _sha256(folder / name) == description.source.get("split_sha256"):
        return None
    return f"{name} changed since" if (folder / name).exists() else f"{name} was lost"


def _changed_files(folder: Path, images: Path, record: Mapping[str, Any], present: Sequence[str]) -> str | None:
    """Return which of the user's files are not those that were read. Where only times differ, these are noted anew.

    `present` are the images of a folder, of which some may be new; the files of a list are named in it.
    """
    files: dict[str, Any] = record["files"]
    new = sorted(set(present) - files.keys())
    changed, missing, moved = [], [], False
    for path, noted in files.items():
        try:
            now = os.stat(images / path)
        except OSError:
            missing.append(path)
            continue
        if [now.st_size, now.st_mtime_ns, now.st_ctime_ns] == noted[:3]:
            continue
        if now.st_size == noted[0] and _sha256(images / path) == noted[3]:
            files[path], moved = [now.st_size, now.st_mtime_ns, now.st_ctime_ns, noted[3]], True
        else:
            changed.append(path)
    if len(missing) == len(files.keys() - set(LISTS)) and not changed:
        missing = []  # the lists are there, the images are put away: nothing contradicts the arrays
    if changed or missing or new:
        first = (changed or missing or new)[0]
        what = "list" if first in LISTS else "images"
        return f"the {what} changed since: {_count(len(changed) + len(missing) + len(new))} (first: {first!r})"
    if moved:
        with contextlib.suppress(Exception):  # a folder that cannot be written: they are compared again next time
            write_text(folder / RECORD_FILE, json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
    return None


def _read_record(folder: Path) -> dict[str, Any] | None:
    """Return the record of the very dataset.json that lies there; None for any other, and for damaged ones."""
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        if record["format"] != RECORD_FORMAT or record["dataset"] != fingerprint_file(folder / DESCRIPTION_FILE):
            return None
        if not all(len(noted) == 4 for noted in record["files"].values()) or "name" not in record["settings"]:
            return None
        return dict(record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _foreign_files(folder: Path) -> list[str]:
    present = [name for name in DATASET_FILES if os.path.lexists(folder / name)]
    if _is_marked(folder):
        return [name for name in present if name == TABLE_FILE and not _is_our_table(folder / name)]
    return present


def _is_marked(folder: Path) -> bool:
    """Return whether a record or a description says that smallmix writes into `folder`."""
    if (folder / RECORD_FILE).is_file():
        return True
    with contextlib.suppress(DatasetError):
        load_description(folder)
        return True
    return False


def _is_our_table(path: Path) -> bool:
    try:
        with open(path, "rb") as stream:
            return stream.readline(200).decode("utf-8", "replace").strip() in (",".join(TABLE_HEADER), "")
    except OSError:
        return False


def _state_of(path: Path) -> FileState:
    before = os.stat(path)  # before the reading: what is replaced meanwhile is noticed next time
    return before.st_size, before.st_mtime_ns, before.st_ctime_ns, fingerprint_file(path)


def _sha256(path: Path) -> str | None:
    try:
        return fingerprint_file(path)
    except OSError:
        return None


def _count(number: int) -> str:
    return "1 file" if number == 1 else f"{number:,} files"
