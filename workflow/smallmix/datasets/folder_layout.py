"""Tell from the names in a folder which images belong to which class, and which to the test.

There are two layouts: `train/<class>/…` with `test/<class>/…`, or one folder `<class>/…`, to be divided later.
Needs the standard library alone, because each start looks for changed images.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smallmix.datasets.image_files import ImageFiles, open_images
from smallmix.datasets.image_list import ImagePart, ListRow, Problems, text_problem
from smallmix.errors import DatasetError

TRAIN_NAMES, TEST_NAMES, VALIDATION_NAMES = ("train", "training"), ("test", "testing"), ("val", "valid", "validation")
PART_NAMES = (*TRAIN_NAMES, *TEST_NAMES, *VALIDATION_NAMES)
# The second line has kinds that are not read. They are no clutter: the error says how to save them.
IMAGE_NAME = re.compile(
    r".+\.(jpe?g|jpe|jfif|mpo|png|gif|bmp|dib|tiff?|webp|p[bgpn]m"
    r"|hei[cf]|avif|jp2|j2k|jxl|svg|psd|exr|dcm|dng|cr[23]|nef|arw)",
    re.IGNORECASE | re.DOTALL,
)
FIRST_BYTES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\0", b"MM\0*")
FIRST_LENGTH = 12
NAMES_SHOWN = 10


@dataclass(frozen=True)
class FoundImages:
    """The images of a folder, in an order that mixes the classes. `test` is None where they are still to be divided."""

    train: ImagePart
    test: ImagePart | None
    warnings: tuple[str, ...]

    @property
    def parts(self) -> tuple[ImagePart, ...]:
        """Return what there is: one part, or two."""
        return (self.train,) if self.test is None else (self.train, self.test)


def find_images(files: ImageFiles, problems: Problems) -> FoundImages:
    """Return the images of a folder or a zip file. What contradicts both layouts is added to `problems`.

    Upper case does not count in the names train and test. Validation images are taken where there are no test images.
    A lone folder around everything is passed through. Files of other kinds are left out, with one warning.
    """
    names, folders = files.scan(problems)
    images = [name for name in names if _is_image(name, files)]
    warnings = _warn_of_others(names, images)
    places = [_Place(name, tuple(name.split("/"))) for name in images if _is_readable(name, problems)]
    if not places and not problems:
        problems.add("holds no images")
    places, prefix = _without_wrapping(places)
    loose = [place for place in places if len(place.parts) == 1]
    if loose:
        problems.add(f"{_count(loose)} in no class folder; put each into the folder of its class, or take it away")
    tops = list(dict.fromkeys(place.parts[0] for place in places if len(place.parts) > 1))
    if any(top.casefold() in PART_NAMES for top in tops):
        return _two_parts(tops, places, folders, prefix, problems, warnings)
    _check_inner_parts(places, problems)
    _check_empty(folders, prefix, {place.parts[0] for place in places}, problems)
    return FoundImages(_part("the folder", places, 0, problems, warnings), None, tuple(warnings))


def count_images(path: Path, test_share: float) -> tuple[int, int, int]:
    """Return about how many training and test images a folder or a zip file holds, and how many classes; 0 if none."""
    try:
        found = find_images(open_images(path), Problems())
    except DatasetError:
        return 0, 0, 0
    classes = len({row.label for row in found.train.rows})
    count = len(found.train.rows)
    if found.test is not None:
        return count, len(found.test.rows), classes
    return count - round(test_share * count), round(test_share * count), classes


def order_key(path: str) -> bytes:
    """Return what images are ordered by: a hash, so that the first images of the list are a mixture of all classes."""
    return hashlib.sha256(unicodedata.normalize("NFC", path).encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True)
class _Place:
    """An image: its name in the folder, and the parts of the name from where the layout begins."""

    name: str
    parts: tuple[str, ...]


def _two_parts(
    tops: Sequence[str],
    places: Sequence[_Place],
    folders: Sequence[str],
    prefix: str,
    problems: Problems,
    warnings: list[str],
) -> FoundImages:
    """Return the images of train/ and test/, and add to `problems` what is missing, doubled or beside them."""
    train, test, validation = (
        [top for top in tops if top.casefold() in names] for names in (TRAIN_NAMES, TEST_NAMES, VALIDATION_NAMES)
    )
    for same in (train, test, validation):
        if len(same) > 1:
            problems.add(f"there are {_named(same)}, which mean the same; move their images into one folder")
    tested = test or validation
    if not train:
        problems.add(
            f"there is {prefix}{tested[0]}/, but no train/ with images; add it. If {tested[0]} is a class, rename it"
        )
    if not tested:
        problems.add(
            f"there is {prefix}{train[0]}/, but neither test/ nor val/ with images. Add one. Or name the folder "
            f"{prefix}{train[0]} itself, and its images are divided"
        )
    if test and validation:
        left_out = [place for place in places if place.parts[0] in validation]
        warnings.append(
            f"{_named(validation)} was left out with its images ({len(left_out):,}), because there is {test[0]}/"
        )
    others = [top for top in tops if top.casefold() not in PART_NAMES]
    if others:
        problems.add(
            f"{_named(others)} hold images beside {_named([*train, *tested])}; move them into these, or take them away"
        )
    parts = []
    for own in (train, tested):
        inside = [place for place in places if own and place.parts[0] == own[0]]
        loose = [place for place in inside if len(place.parts) == 2]
        if loose:
            problems.add(f"{_count(loose)} in {own[0]}/ without a class folder; put each into the folder of its class")
        inside = [place for place in inside if len(place.parts) > 2]
        parts.append(_part(f"{own[0]}/" if own else "", inside, 1, problems, warnings))
    if train:
        tested_classes = {row.label for row in parts[1].rows}
        with_images = {place.parts[1] for place in places if place.parts[0] == train[0] and len(place.parts) > 2}
        _check_empty(folders, f"{prefix}{train[0]}/", with_images | tested_classes, problems)
    return FoundImages(parts[0], parts[1], tuple(warnings))


def _part(name: str, places: Sequence[_Place], depth: int, problems: Problems, warnings: list[str]) -> ImagePart:
    """Return the images whose class is the folder at `depth`."""
    rows: list[ListRow] = []
    inner: list[_Place] = []
    for place in sorted(places, key=lambda place: order_key("/".join(place.parts[depth:]))):
        if len(place.parts) < depth + 2:
            continue
        label = unicodedata.normalize("NFC", place.parts[depth])
        rows.append(ListRow(0, place.name, label))
        if len(place.parts) > depth + 2:
            inner.append(place)
    if inner:
        first = min(place.name for place in inner)
        warnings.append(
            f"{_images(len(inner))} in folders inside of class folders (first: {first!r}); the outer one is the class"
        )
    return ImagePart(name, rows)


def _without_wrapping(places: Sequence[_Place]) -> tuple[list[_Place], str]:
    """Return the places below a lone folder around everything, as zip files have it, and that folder with a /."""
    found, prefix = list(places), ""
    while found:
        top = found[0].parts[0]
        lone = all(place.parts[0] == top and len(place.parts) > 2 for place in found)
        if not lone or top.casefold() in PART_NAMES:
            break
        found, prefix = [_Place(place.name, place.parts[1:]) for place in found], f"{prefix}{top}/"
    return found, prefix


def _check_inner_parts(places: Sequence[_Place], problems: Problems) -> None:
    """Add classes that hold train and test folders themselves to `problems`: the layout is upside down."""
    upside = [place for place in places if len(place.parts) > 2 and place.parts[1].casefold() in PART_NAMES]
    if upside:
        problems.add(
            f"{_count(upside)} in a folder {upside[0].parts[1]}/ of a class; put train/ and test/ above the classes"
        )


def _check_empty(folders: Sequence[str], prefix: str, with_images: set[str], problems: Problems) -> None:
    """Add class folders without an image to `problems`."""
    known = {unicodedata.normalize("NFC", name) for name in with_images}
    for folder in folders:
        name = folder.removeprefix(prefix)
        is_class = folder.startswith(prefix) and name and "/" not in name
        if is_class and unicodedata.normalize("NFC", name) not in known:
            problems.add(f"{folder + '/'!r} holds no images; put images of the class there, or remove the folder")


def _is_readable(name: str, problems: Problems) -> bool:
    problem = text_problem("name", name)
    if problem:
        problems.add(f"{problem}; rename the file or its folder")
    return problem is None


def _is_image(name: str, files: ImageFiles) -> bool:
    if IMAGE_NAME.fullmatch(name):
        return True
    start = files.start(name, FIRST_LENGTH)
    return start.startswith(FIRST_BYTES) or (start.startswith(b"RIFF") and start.endswith(b"WEBP"))


def _warn_of_others(names: Sequence[str], images: Sequence[str]) -> list[str]:
    others = sorted(set(names) - set(images))
    if not others:
        return []
    shown = ", ".join(map(repr, others[:NAMES_SHOWN]))
    more = f" and {len(others) - NAMES_SHOWN:,} more" if len(others) > NAMES_SHOWN else ""
    count = "1 file is no image and was" if len(others) == 1 else f"{len(others):,} files are no images and were"
    return [f"{count} left out: {shown}{more}"]


def _named(folders: Sequence[str]) -> str:
    return ", ".join(f"{folder}/" for folder in folders[:NAMES_SHOWN])


def _images(count: int) -> str:
    return "1 image lies" if count == 1 else f"{count:,} images lie"


def _count(places: Sequence[_Place]) -> str:
    return f"{_images(len(places))} (first: {min(place.name for place in places)!r})"
