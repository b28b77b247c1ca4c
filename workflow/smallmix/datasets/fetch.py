"""Bring the dataset of a configuration into its folder, whichever kind it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smallmix.datasets.array_writing import DatasetArrays, write_dataset
from smallmix.datasets.description import DatasetDescription
from smallmix.datasets.originals import begin_record, explain_foreign, keep_record, note_originals
from smallmix.errors import ConfigurationError
from smallmix.study.known_datasets import KNOWN_DATASETS, LOCAL_FILES

DOWNLOADS = "downloads"  # beside the dataset's folder, so that deleting a dataset does not cost its download


def fetch_dataset(settings: Mapping[str, Any], folder: Path) -> DatasetDescription:
    """Write the dataset that `settings` (a study's `dataset` section) names into `folder`; return its description.

    Written are the six files and the record of what they were made from. Relative paths in the settings start at the
    current folder. Downloads are kept in `folder`/../downloads. Raises DatasetError or ConfigurationError.
    """
    folder = Path(folder)
    explain_foreign(folder)
    originals = note_originals(settings)
    arrays = _read(settings, folder)
    begin_record(folder)
    description = write_dataset(arrays, folder)
    keep_record(folder, originals)
    return description


def _read(settings: Mapping[str, Any], folder: Path) -> DatasetArrays:
    name = settings.get("name")
    # Each kind is imported where it is needed, because its libraries are large.
    if name == "digits":
        from smallmix.datasets.digits import digits_dataset

        return digits_dataset()
    if isinstance(name, str) and name in LOCAL_FILES:
        from smallmix.datasets.published_datasets import PUBLISHED_DATASETS

        return PUBLISHED_DATASETS[name].fetch(_section(settings, name), folder.parent / DOWNLOADS)
    if name == "image-list":
        from smallmix.datasets.custom_dataset import custom_dataset

        return custom_dataset(_section(settings, "image-list"))
    if name == "image-folder":
        from smallmix.datasets.folder_dataset import folder_dataset

        return folder_dataset(_section(settings, "image-folder"), folder)
    known = ", ".join([*KNOWN_DATASETS, "image-list"])
    raise ConfigurationError(f"dataset.name is {name!r}; it must be {known} or image-folder")


def _section(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = settings.get(name)
    if not isinstance(section, Mapping):
        raise ConfigurationError(f"dataset.{name} is missing: dataset.name is {name}, so its settings must stand there")
    return section
