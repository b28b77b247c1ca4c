"""Turn image files of many kinds into pixels of one shape, the same on every machine with the same Pillow.

In this order: the EXIF orientation is applied; transparent pixels are composited on black; grey of 16 bits is scaled to
8 (round(value / 257)); colours become RGB or grey (ITU-R 601-2 luma); an image of another size is made square and
resized with the bilinear filter, antialiased. It becomes square by its central square (crop), by black at two sides
(pad), or by resizing both sides alone (squash). Colour profiles are not applied. Of several frames the first counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from smallmix.datasets.image_files import FolderFiles, ImageError, ImageFiles
from smallmix.datasets.image_kinds import describe_error, describe_unread, was_cut
from smallmix.datasets.image_likeness import THUMBNAIL_SIDE, no_thumbnails
from smallmix.study.cell import Fit

# Only formats that Pillow decodes by itself: others start outside programs (EPS) or have no signature (TGA). JPEG
# brings MPO along, the JPEG files of some cameras; their second picture is no animation.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
LARGEST_PIXEL_COUNT = 100_000_000  # 10,000 x 10,000 is still read
IMAGES_PER_TASK = 128
# Pillow decodes outside the interpreter's lock, the rest stays inside: threads help with photographs (measured: 1.8
# times as fast on 2 cores), and hinder with thumbnails (0.7 times).
MOST_THREADS = 8
SMALL_FILE = 32 << 10
FILES_SAMPLED = 64
FAINT_SPREAD = 3  # of 255: what differs by no more is hardly to be seen; masks of 0 and 1 are such images
SIGNED, SAMPLE_FORMAT = 2, 339  # a value and the number of a TIFF's tag
ON_DISK = FolderFiles(Path())  # of names that are whole paths


@dataclass(frozen=True)
class DecodedImages:
    """`pixels` uint8 [N, size, size, 3 or 1]; the sha256 of each image's pixels; what was found, by the image's index.

    `peaks` has the largest value (0 to 65,535) of each image whose file has 16 bits a channel. Where asked for,
    `contents` has the sha256 of each file, and `thumbnails` uint8 [N, 16, 16] each image in grey.
    """

    pixels: NDArray[np.uint8]
    digests: list[bytes]
    errors: dict[int, str]
    notes: dict[str, list[int]]
    peaks: dict[int, int] = field(default_factory=dict)
    contents: list[str] = field(default_factory=list)
    thumbnails: NDArray[np.uint8] = field(default_factory=lambda: no_thumbnails(0))


@dataclass
class DecodedImage:
    """One image: `pixels` uint8 [size, size, 3 or 1], notes on what had to be done to it, and its peak, if any.

    `content` is the file's sha256, and `thumbnail` uint8 [16, 16] the whole image in grey, where they were asked for.
    """

    pixels: NDArray[np.uint8]
    notes: list[str]
    peak: int | None
    content: str = ""
    thumbnail: NDArray[np.uint8] | None = None


def decode_images(
    paths: Sequence[str],
    size: int,
    color: str,
    report: Callable[[int], None] = lambda done: None,
    *,
    fit: Fit = "crop",
    files: ImageFiles = ON_DISK,
    identify: bool = False,
) -> DecodedImages:
    """Decode all images, on all cores; an error of one does not keep the others from being decoded.

    `color` is rgb or grey. `report` is called with the number of images done so far. `paths` are names in `files`.
    `identify` asks for checksums of the files and for thumbnails. Raises MemoryError.
    """
    channels = {"rgb": 3, "grey": 1}[color]
    pixels = np.zeros((len(paths), size, size, channels), dtype=np.uint8)
    digests = [b""] * len(paths)
    contents = [""] * (len(paths) if identify else 0)
    thumbnails = no_thumbnails(len(contents))
    errors: dict[int, str] = {}
    found: list[tuple[int, str]] = []
    peaks: dict[int, int] = {}

    def decode_from(start: int) -> int:
        end = min(start + IMAGES_PER_TASK, len(paths))
        for index in range(start, end):
            try:
                decoded = decode_image(paths[index], size, color, fit=fit, files=files, identify=identify)
            except ImageError as error:
                errors[index] = str(error)
                continue
            pixels[index] = decoded.pixels
            digests[index] = hashlib.sha256(pixels[index].reshape(-1)).digest()
            if decoded.thumbnail is not None:
                contents[index], thumbnails[index] = decoded.content, decoded.thumbnail
            found.extend((index, note) for note in decoded.notes)
            if decoded.peak is not None:
                peaks[index] = decoded.peak
        for index, note in _faint_images(pixels[start:end]):
            if start + index not in errors:
                found.append((start + index, note))
        return end

    with _limited_pixel_count(), ThreadPoolExecutor(_threads(paths, files)) as pool:
        for done in pool.map(decode_from, range(0, len(paths), IMAGES_PER_TASK)):
            report(done)
    notes_by_kind: dict[str, list[int]] = {}
    for index, note in sorted(found):
        notes_by_kind.setdefault(note, []).append(index)
    return DecodedImages(
        pixels,
        digests,
        dict(sorted(errors.items())),
        notes_by_kind,
        dict(sorted(peaks.items())),
        contents,
        thumbnails,
    )


def decode_image(
    path: str, size: int, color: str, *, fit: Fit = "crop", files: ImageFiles = ON_DISK, identify: bool = False
) -> DecodedImage:
    """Return one image, made square and brought to `size` pixels a side. Raises ImageError."""
    content = files.read(path)
    notes: list[str] = []
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            width, height = opened.size
            if width * height > LARGEST_PIXEL_COUNT:
                raise ImageError(_too_large(f"{width:,} x {height:,} pixels"))
            if opened.format != "MPO" and getattr(opened, "is_animated", False):
                notes.append("hold several frames; the first was used")
                opened.seek(0)
            deep = _has_16_bits(opened)
            opened.load()
            if opened.format in ("JPEG", "MPO") and was_cut(opened, content):
                notes.append("look like JPEG files that were cut off and closed: what is missing is grey or coarse")
            _refuse_signed(opened)
            image: Image.Image = opened
            try:
                image = ImageOps.exif_transpose(opened)
            except Exception:  # a damaged EXIF block may end in nearly any error; the pixels are whole
                notes.append("have a damaged EXIF block; their orientation was not applied")
            if (max(image.size) if fit == "pad" else min(image.size)) < size:
                notes.append(f"are smaller than {size} x {size} pixels and were enlarged")
            converted, peak = _converted(image, "RGB" if color == "rgb" else "L", deep, notes)
            decoded = np.asarray(_squared(converted, size, fit), dtype=np.uint8).reshape(size, size, -1)
            thumbnail = _thumbnail(converted) if identify else None
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(_too_large(str(error))) from error
    except UnidentifiedImageError as error:
        raise ImageError(describe_unread(content, FORMATS)) from error
    except Exception as error:  # a damaged image may end in nearly any error
        raise ImageError(describe_error(error)) from error
    return DecodedImage(decoded, notes, peak, hashlib.sha256(content).hexdigest() if identify else "", thumbnail)


def _has_16_bits(opened: Image.Image) -> bool:
    """Return whether a file that is not yet loaded has 16 bits a channel. Pillow may keep the upper 8 of them."""
    if opened.format not in ("PNG", "TIFF"):
        return False
    tiles: Sequence[Any] = getattr(opened, "tile", ())
    return any(";16" in str(tile[3]) for tile in tiles)


def _refuse_signed(opened: Image.Image) -> None:
    """Refuse negative pixels of 8 bits, which Pillow takes for bright ones. `opened` is loaded."""
    if opened.format != "TIFF" or opened.mode != "L":
        return
    if SIGNED in getattr(opened, "tag_v2", {}).get(SAMPLE_FORMAT, ()):
        values = np.asarray(opened).view(np.int8)
        if values.min() < 0:
            raise ImageError(_signed(int(values.min()), int(values.max())))


def _converted(image: Image.Image, mode: str, deep: bool, notes: list[str]) -> tuple[Image.Image, int | None]:
    """Return the image in `mode`, and the largest value (to 65,535) where the file has 16 bits a channel.

    Adds to `notes` what had to be done.
    """
    peak: int | None = None
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.int64)
        peak = int(values.max())
        if values.min() < 0:
            raise ImageError(_signed(int(values.min()), peak))
        if peak > 65535:
            raise ImageError("has pixels of more than 16 bits; save it with 8 or 16 bits a channel")
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    elif image.mode == "F":
        raise ImageError("has floating-point pixels, whose range is unknown; save it with 8 or 16 bits a channel")
    elif image.has_transparency_data:
        colors = image.convert("RGBA")
        if colors.getchannel("A").getextrema()[0] != 255:
            notes.append("have transparent pixels, which were laid on black; black drawings vanish there")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), colors)
    converted = image if image.mode == mode else image.convert(mode)
    if deep and peak is None:  # Pillow kept the upper 8 bits of each channel
        peak = int(np.asarray(converted).max()) << 8 | 255
    return converted, peak


def _faint_images(pixels: NDArray[np.uint8]) -> Iterator[tuple[int, str]]:
    """Yield index and note of those of the images, uint8 [n, size, size, channels], that show (nearly) nothing."""
    values = pixels.reshape(len(pixels), -1, pixels.shape[3])
    # Most images are cleared by two of their pixels; only the others are looked at whole.
    near = (np.abs(values[:, 0].astype(np.int16) - values[:, values.shape[1] // 2]) <= FAINT_SPREAD).all(axis=1)
    for index in np.flatnonzero(near).tolist():
        spread = int((values[index].max(axis=0) - values[index].min(axis=0)).max())
        if spread == 0:
            yield index, "are of one colour all over"
        elif spread <= FAINT_SPREAD:
            yield index, f"are nearly of one colour: their pixels differ by no more than {FAINT_SPREAD} of 255"


def _squared(image: Image.Image, size: int, fit: Fit) -> Image.Image:
    if image.size == (size, size):
        return image
    if fit == "squash":
        return image.resize((size, size), Image.Resampling.BILINEAR)
    if fit == "pad":
        longest = max(image.size)
        width, height = (max(1, round(side * size / longest)) for side in image.size)
        square = Image.new(image.mode, (size, size))
        square.paste(
            image.resize((width, height), Image.Resampling.BILINEAR), ((size - width) // 2, (size - height) // 2)
        )
        return square
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))


def _thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """Return the whole image in grey, squashed to 16 x 16 pixels, each the mean of its area."""
    grey = image if image.mode == "L" else image.convert("L")
    return np.asarray(grey.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX), dtype=np.uint8)


@contextlib.contextmanager
def _limited_pixel_count() -> Iterator[None]:
    """Make Pillow itself refuse larger images, before it allocates anything for them."""
    Image.init()  # loads the readers of all formats, before there are threads
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = LARGEST_PIXEL_COUNT
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _too_large(what: str) -> str:
    return f"is too large to decode safely (limit {LARGEST_PIXEL_COUNT:,} pixels): {what}. Scale it down first"


def _signed(least: int, largest: int) -> str:
    return (
        f"has signed pixels (from {least:,} to {largest:,}), of which black and white are unknown; "
        "save it with 8 or 16 unsigned bits a channel"
    )


def _threads(paths: Sequence[str], files: ImageFiles) -> int:
    """Return how many threads decode these images fastest; the pixels are the same for any number."""
    sizes = [size for path in paths[:FILES_SAMPLED] if (size := files.size(path))]
    if sum(sizes) < SMALL_FILE * len(sizes):
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_THREADS, cores)
