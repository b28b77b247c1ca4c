"""Bring the dataset of a configuration into its folder, whichever of the three kinds it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smallmix.datasets.array_writing import DatasetArrays, write_dataset
from smallmix.datasets.originals import begin_record, explain_foreign
from smallmix.errors import ConfigurationError

DOWNLOADS = "downloads"  # beside the dataset's folder, so that deleting a dataset does not cost its download


def fetch_dataset(dataset_configuration: Mapping[str, Any], folder: Path) -> None:
    """Write the six files of the dataset that `dataset_configuration` (a study's `dataset` section) names.

    Relative paths in the configuration start at the current folder. Downloads are kept in `folder`/../downloads.
    Raises DatasetError or ConfigurationError with a message for people.
    """
    folder = Path(folder)
    explain_foreign(folder)
    arrays = _read(dataset_configuration, folder)
    begin_record(folder)
    write_dataset(arrays, folder)


def _read(configuration: Mapping[str, Any], folder: Path) -> DatasetArrays:
    name = configuration.get("name")
    # Each kind is imported where it is needed: its libraries are large, and the others do not depend on its code.
    if name == "digits":
        from smallmix.datasets.digits import digits_dataset

        return digits_dataset()
    if name == "cifar10":
        from smallmix.datasets.cifar10 import cifar10_dataset

        return cifar10_dataset(_section(configuration, "cifar10"), folder.parent / DOWNLOADS)
    if name == "image-list":
        from smallmix.datasets.custom_dataset import custom_dataset

        return custom_dataset(_section(configuration, "image-list"))
    raise ConfigurationError(f"dataset.name is {name!r}; it must be cifar10, digits or image-list")


def _section(configuration: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = configuration.get(name)
    if not isinstance(section, Mapping):
        raise ConfigurationError(f"dataset.{name} is missing: dataset.name is {name}, so its settings must stand there")
    return section
