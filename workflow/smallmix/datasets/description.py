"""Read dataset.json, the description of a dataset. Needs neither numpy nor the images."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallmix.errors import DatasetError, remedy

DESCRIPTION_FORMAT = 1
DESCRIPTION_FILE = "dataset.json"
TABLE_FILE, TABLE_HEADER = "train.csv", ("row", "label", "class")


@dataclass(frozen=True)
class DatasetDescription:
    """The content of dataset.json.

    `name` is that of the configuration; `identifier` names the folder and `title` is for people. `image_shape` is
    height, width, channels. `mean` and `deviation` are per channel, of pixel/255 over all training images. `checksums`
    gives the sha256 of every other file of the folder. `source` says where the images came from, `warnings` what a
    reader of results should know about them.
    """

    name: str
    identifier: str
    title: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    train_count: int
    test_count: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    checksums: Mapping[str, str]
    source: Mapping[str, str]
    warnings: tuple[str, ...]

    def to_json(self) -> str:
        """Return the text of dataset.json. Class names stand there unchanged, whatever they hold."""
        value = {"format": DESCRIPTION_FORMAT, **dataclasses.asdict(self)}
        return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> DatasetDescription:
        """Return the description of a parsed dataset.json.

        Raises KeyError, TypeError, ValueError or AttributeError where it is not one.
        """
        if value["format"] != DESCRIPTION_FORMAT:
            raise ValueError(f"its format is {value['format']!r}, this program reads format {DESCRIPTION_FORMAT}")
        height, width, channels = (int(side) for side in value["image_shape"])
        description = cls(
            name=str(value["name"]),
            identifier=str(value["identifier"]),
            title=str(value["title"]),
            classes=tuple(str(name) for name in value["classes"]),
            image_shape=(height, width, channels),
            train_count=int(value["train_count"]),
            test_count=int(value["test_count"]),
            mean=tuple(float(number) for number in value["mean"]),
            deviation=tuple(float(number) for number in value["deviation"]),
            checksums={str(file): str(checksum) for file, checksum in value["checksums"].items()},
            source={str(key): str(text) for key, text in value["source"].items()},
            warnings=tuple(str(text) for text in value["warnings"]),
        )
        if not len(description.mean) == len(description.deviation) == channels:
            raise ValueError("mean and deviation need one number per channel")
        return description


def load_description(folder: Path) -> DatasetDescription:
    """Return the description of the dataset in `folder`, without looking at its images.

    Raises DatasetError where dataset.json is missing, damaged or of another format.
    """
    path = Path(folder) / DESCRIPTION_FILE
    try:
        return DatasetDescription.from_value(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise DatasetError(
            f"there is no whole dataset in {folder}: {DESCRIPTION_FILE}, which is written last, is missing. "
            f"{remedy(folder)}"
        ) from error
    except KeyError as error:
        raise DatasetError(f"{path} is damaged: the key {error} is missing. {remedy(folder)}") from error
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DatasetError(f"{path} cannot be used: {error}. {remedy(folder)}") from error


def find_description(folder: Path) -> DatasetDescription | None:
    """Return the description of the dataset in `folder`, or None where no dataset is there yet.

    Raises DatasetError where dataset.json is damaged or of another format.
    """
    return load_description(folder) if (Path(folder) / DESCRIPTION_FILE).exists() else None
