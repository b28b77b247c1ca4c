"""Whether the results in a study's folder are those of the configuration that is meant now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from smallmix.errors import ConfigurationError
from smallmix.own_code import names_own_code, without_folder
from smallmix.study.named_study import StudyResultsPlace
from smallmix.study.study import Study
from smallmix.tables.origin_differences import OriginDifference, configuration_differences

SHOWN_KEYS = 5  # of a configuration that differs
# Where verified images were fetched, and where a file of weights lies whose sha256 is compared, decides nothing.
WHERE_FROM = (".archive", ".sources", "model.parameters.weights")


def other_configuration(study: Study, folder: Path) -> str | None:
    """Return a sentence with the keys of the configuration that made the results in `folder` and differ in `study`.

    Keys that came with a later version count as what they meant before. Return None where no key differs, and where
    there are no results.
    """
    if not (folder / "study.json").is_file():
        return None
    made_by = Study.load(folder / "study.json")
    if made_by.configuration == study.configuration:
        return None
    differences = [one for one in _differences(made_by, study) if not one.what.endswith(WHERE_FROM)]
    if not differences:
        return None
    shown = "".join(f"\n  - {one.what}: {one.first} before, {one.second} now" for one in differences[:SHOWN_KEYS])
    more = len(differences) - SHOWN_KEYS
    further = f"\n  ... and {more} more" if more > 0 else ""
    return f"{folder} was made by another configuration:{shown}{further}"


def require_results_meant(place: StudyResultsPlace) -> None:
    """Raise ConfigurationError where the results were made by another configuration than the one that was named."""
    problem = None if place.meant is None else other_configuration(place.meant, place.tables)
    if problem is not None:
        again = "run the study" if place.kept else "run the study again"
        raise ConfigurationError(f"{problem}\nName the folder {place.tables} for these results, or {again}.")


def _differences(made_by: Study, now: Study) -> list[OriginDifference]:
    from smallmix.study.configuration import with_later_keys  # loads the models, which jobs do without

    first, second = (replace(one, configuration=with_later_keys(one.configuration)) for one in (made_by, now))
    return [one for one in configuration_differences(first, second) if _meaning(one.first) != _meaning(one.second)]


def _meaning(value: str) -> str:
    """Return a value without the folder of the user's file that it names: the file's content is compared elsewhere."""
    return without_folder(value) if names_own_code(value) else value
