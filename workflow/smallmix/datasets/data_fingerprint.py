"""The fingerprint of a cell's training data: the chosen rows, and the arrays that they are rows of."""

from __future__ import annotations

import json
from pathlib import Path

from smallmix.errors import DatasetError
from smallmix.fingerprints import fingerprint_file, fingerprint_value


def fingerprint_data(subset_csv: Path, dataset_folder: Path) -> str:
    """Return the sha256 of a subset's table and the checksums in the dataset's dataset.json, 64 hexadecimal digits.

    The arrays themselves are not read: dataset.json holds their checksums since the dataset was fetched.
    Raises DatasetError where either file is missing or is not what it should be.
    """
    description = dataset_folder / "dataset.json"
    try:
        arrays = json.loads(description.read_text(encoding="utf-8"))["checksums"]
        return fingerprint_value({"subset": fingerprint_file(subset_csv), "arrays": arrays})
    except OSError as error:
        raise DatasetError(
            f"cannot read {error.filename}: {error.strerror}. The steps that fetch the dataset and extract the subsets "
            "write it; run them again (`snakemake --cores 1 subsets`)."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{description} is not a dataset's description: {type(error).__name__}: {error}. Delete it and fetch the "
            "dataset again (`snakemake --cores 1 subsets`)."
        ) from error
