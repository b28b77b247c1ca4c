"""Protects test accuracies from copies: images saved anew, scaled or shot in a row are found, others are not."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from smallmix.datasets.image_decoding import decode_images
from smallmix.datasets.image_files import FolderFiles
from smallmix.datasets.image_likeness import THUMBNAIL_SIDE, group_alike, no_thumbnails

from tests.unit.datasets.class_folders import noise


def photograph() -> Image.Image:
    """A real photograph, 640 x 427."""
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("china.jpg"))


def thumbnails(*pictures: Image.Image) -> NDArray[np.uint8]:
    """The thumbnails that decoding makes of images, saved without loss."""
    stack = no_thumbnails(len(pictures))
    for place, picture in enumerate(pictures):
        files = _InMemory(picture)
        stack[place] = decode_images(["x"], 8, "rgb", files=files, identify=True).thumbnails[0]
    return stack


class _InMemory(FolderFiles):
    """One image as a file."""

    def __init__(self, picture: Image.Image) -> None:
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        self._content = stream.getvalue()

    def read(self, name: str) -> bytes:
        return self._content

    def size(self, name: str) -> int:
        return len(self._content)


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue()))


@pytest.mark.parametrize(
    "change",
    [
        lambda image: jpeg(image, 40),
        lambda image: image.resize((200, 133)),
        lambda image: ImageEnhance.Brightness(image).enhance(0.8),
        lambda image: image.convert("L"),
        lambda image: image.crop((1, 1, 639, 426)),
    ],
    ids=["saved anew", "scaled", "darker", "grey", "cut at the border"],
)
def test_a_photograph_and_its_copy_are_one_group(change: Callable[[Image.Image], Image.Image]) -> None:
    image = photograph()
    assert group_alike(thumbnails(image, noise(1), change(image)), [()] * 3) == [0, 1, 0]


def test_parts_of_a_photograph_are_no_copies() -> None:
    tiles = [photograph().crop((x, y, x + 160, y + 140)) for x in range(0, 640, 160) for y in range(0, 420, 140)]
    assert group_alike(thumbnails(*tiles), [()] * len(tiles)) == list(range(len(tiles)))


def test_a_mirror_image_and_a_negative_are_no_copies() -> None:
    image = photograph()
    mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    negative = Image.fromarray(255 - np.asarray(image))
    assert group_alike(thumbnails(image, mirrored, negative), [()] * 3) == [0, 1, 2]


def test_images_without_contrast_are_alike_only_where_they_are_equal() -> None:
    flat = [Image.new("RGB", (32, 32), (shade, shade, shade)) for shade in (0, 0, 200)]
    assert group_alike(thumbnails(*flat), [("a",), ("a",), ("b",)]) == [0, 0, 2]


def test_likeness_goes_on_over_others() -> None:
    image = photograph()
    stack = thumbnails(noise(1), image, image.resize((200, 133)), noise(2))
    assert group_alike(stack, [("a",), ("b",), ("c",), ("c",)]) == [0, 1, 1, 1]


def test_digits_of_different_people_are_different() -> None:
    from sklearn.datasets import load_digits

    values = np.rint(load_digits().images * 255 / 16).astype(np.uint8)
    stack = np.repeat(np.repeat(values, 2, axis=1), 2, axis=2)
    assert stack.shape[1:] == (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    assert group_alike(stack, [()] * len(stack)) == list(range(len(stack)))


def test_groups_are_found_across_blocks_as_by_comparing_each_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(4)
    centres = generator.integers(0, 256, (7, 16, 16))
    which = generator.integers(0, 7, 60)
    stack = np.clip(centres[which] + generator.integers(-6, 7, (60, 16, 16)), 0, 255).astype(np.uint8)
    monkeypatch.setattr("smallmix.datasets.image_likeness.ROWS_AT_ONCE", 8)
    first = {int(kind): int(np.flatnonzero(which == kind)[0]) for kind in set(which.tolist())}
    assert group_alike(stack, [()] * 60) == [first[int(kind)] for kind in which]


def test_no_images_are_no_groups() -> None:
    assert group_alike(no_thumbnails(0), []) == []
