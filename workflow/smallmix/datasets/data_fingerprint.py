"""The fingerprint of a cell's data: the chosen rows, and the arrays that they are rows of."""

from __future__ import annotations

from pathlib import Path

from smallmix.datasets.description import load_description
from smallmix.errors import DatasetError
from smallmix.fingerprints import fingerprint_file, fingerprint_value


def fingerprint_data(subset_csv: Path, dataset_folder: Path, validation_csv: Path | None = None) -> str:
    """Return the sha256 of a subset's table and the checksums in the dataset's dataset.json, 64 hexadecimal digits.

    The table of validation images counts where a cell has any; it changes no fingerprint of other cells.
    The arrays themselves are not read: dataset.json holds their checksums since the dataset was fetched.
    Raises DatasetError where either file is missing or is not what it should be.
    """
    arrays = dict(load_description(dataset_folder).checksums)
    try:
        validation = {} if validation_csv is None else {"validation": fingerprint_file(validation_csv)}
        return fingerprint_value({"subset": fingerprint_file(subset_csv), "arrays": arrays, **validation})
    except OSError as error:
        raise DatasetError(
            f"cannot read {error.filename}: {error.strerror}. The step that extracts the subsets writes it; run it "
            "again (`snakemake --cores 1 subsets`)."
        ) from error
