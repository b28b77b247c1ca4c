"""Protects people from images that are read and show nothing, or less than they think: noted, with numbers."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from smallmix.datasets.image_decoding import DecodedImages, decode_images

from tests.unit.datasets.image_folder import TEST, TRAIN, make_image_folder, read_image_folder

ONE_COLOR = "are of one colour all over"
FAINT = "are nearly of one colour: their pixels differ by no more than 3 of 255"
ON_BLACK = "have transparent pixels, which were laid on black; black drawings vanish there"
CUT = "look like JPEG files that were cut off and closed: what is missing is grey or coarse"


def decode(path: Path, color: str = "rgb") -> DecodedImages:
    result = decode_images([str(path)], 8, color)
    assert result.errors == {}
    return result


def drawing(mode: str, ground: object, ink: object) -> Image.Image:
    image = Image.new(mode, (16, 16), ground)  # type: ignore[arg-type]
    ImageDraw.Draw(image).ellipse((3, 3, 12, 12), fill=ink)  # type: ignore[arg-type]
    return image


def with_transparent_color(path: Path) -> None:
    drawing("RGB", (255, 255, 255), (0, 0, 0)).save(path, transparency=(255, 255, 255))


def with_transparent_entry(path: Path) -> None:
    image = drawing("P", 0, 1)
    image.putpalette([255, 255, 255, 0, 0, 0])
    image.save(path, transparency=0)


TRANSPARENT: dict[str, Callable[[Path], None]] = {
    "RGBA": lambda path: drawing("RGBA", (0, 0, 0, 0), (0, 0, 0, 255)).save(path),
    "RGBA of WebP": lambda path: drawing("RGBA", (0, 0, 0, 0), (0, 0, 0, 255)).save(path, "WEBP", lossless=True),
    "grey": lambda path: drawing("LA", (255, 0), (0, 255)).save(path),
    "a color": with_transparent_color,
    "an entry of the palette": with_transparent_entry,
}


@pytest.mark.parametrize("kind", TRANSPARENT)
def test_black_drawings_on_a_transparent_ground_are_noted_as_what_became_of_them(tmp_path: Path, kind: str) -> None:
    TRANSPARENT[kind](tmp_path / "x.png")
    result = decode(tmp_path / "x.png")
    assert not result.pixels.any()
    assert result.notes == {ON_BLACK: [0], ONE_COLOR: [0]}


def test_an_alpha_channel_that_hides_nothing_is_not_noted(tmp_path: Path) -> None:
    drawing("RGBA", (255, 255, 255, 255), (0, 0, 0, 255)).save(tmp_path / "x.png")
    assert decode(tmp_path / "x.png").notes == {}


@pytest.mark.parametrize(("spread", "notes"), [(0, {ONE_COLOR: [0]}), (3, {FAINT: [0]}), (4, {})])
@pytest.mark.parametrize("color", ["rgb", "grey"])
def test_images_that_show_nothing_are_noted(
    tmp_path: Path, color: str, spread: int, notes: dict[str, list[int]]
) -> None:
    drawing("L", 100, 100 + spread).save(tmp_path / "x.png")
    assert decode(tmp_path / "x.png", color).notes == notes


def test_masks_of_zero_and_one_are_noted_as_nearly_one_color(tmp_path: Path) -> None:
    drawing("L", 0, 1).save(tmp_path / "x.png")
    assert decode(tmp_path / "x.png").notes == {FAINT: [0]}


def test_a_single_bright_pixel_is_seen(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8), (9, 9, 9))
    image.putpixel((5, 6), (9, 200, 9))
    image.save(tmp_path / "x.png")
    assert decode(tmp_path / "x.png").notes == {}


def test_images_of_one_color_are_found_beyond_a_tasks_first_images(tmp_path: Path) -> None:
    paths = []
    for number in range(260):
        paths.append(str(tmp_path / f"{number}.png"))
        (Image.new("L", (8, 8), 7) if number in (0, 130, 259) else drawing("L", 0, 200)).save(paths[-1])
    assert decode_images(paths, 8, "rgb").notes == {ONE_COLOR: [0, 130, 259]}


def ramp(bits: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    return np.linspace(0, (1 << bits) - 1, 64).astype(np.uint16).reshape(8, 8)


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.pgm"])
@pytest.mark.parametrize(("bits", "peak"), [(10, 1023), (12, 4095), (14, 16383)])
def test_grey_of_few_bits_in_a_file_of_16_is_warned_of_with_its_largest_value(
    tmp_path: Path, name: str, bits: int, peak: int
) -> None:
    folder = make_image_folder(tmp_path / "images", TRAIN + f"{name},cat\n")
    Image.fromarray(ramp(bits)).save(folder / name, format="PPM" if name.endswith("pgm") else None)
    warnings = read_image_folder(folder).warnings
    assert any(
        f"train.csv: 1 of 4 images (first: '{name}') have 16 bits a channel and use only the lowest {bits} "
        f"(largest value {peak:,} of 65,535): they come out dark" in text
        for text in warnings
    )


def png_of_16_bits(path: Path, values: np.ndarray[tuple[int, ...], np.dtype[np.uint16]], color_type: int) -> None:
    """A PNG with more than one channel of 16 bits, which Pillow reads and does not write."""
    import struct
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width = values.shape[:2]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("color_type", "channels"), [(2, 3), (4, 2), (6, 4)])
@pytest.mark.parametrize(("bits", "peak"), [(12, 4095), (16, 65535)])
def test_colors_of_16_bits_have_a_peak_as_well(
    tmp_path: Path, color_type: int, channels: int, bits: int, peak: int
) -> None:
    values = np.repeat(ramp(bits)[..., None], channels, axis=2)
    if channels in (2, 4):
        values[..., -1] = 65535
    png_of_16_bits(tmp_path / "x.png", values, color_type)
    assert decode(tmp_path / "x.png").peaks == {0: peak}


def test_a_full_range_of_16_bits_and_files_of_8_bits_are_not_warned_of(tmp_path: Path) -> None:
    folder = make_image_folder(tmp_path / "images", TRAIN + "x.png,cat\n")
    Image.fromarray(ramp(16)).save(folder / "x.png")
    assert read_image_folder(folder).warnings == ()


def photograph(side: int = 96) -> Image.Image:
    """Shapes and noise: compressed data in every block."""
    noise = np.random.default_rng(5).integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)


def cut_and_closed(image: Image.Image, share: float, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=85, **options)
    content = stream.getvalue()
    start = content.index(b"\xff\xda")
    return content[: start + int((len(content) - start) * share)] + b"\xff\xd9" if share < 1 else content


JPEGS: dict[str, dict[str, object]] = {
    "plain": {},
    "colours at full size": {"subsampling": 0},
    "restart markers": {"restart_marker_blocks": 3},
    "progressive": {"progressive": True},
}


@pytest.mark.parametrize("kind", [kind for kind in JPEGS if kind != "progressive"])
@pytest.mark.parametrize("share", [0.4, 0.6, 0.8])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_that_was_cut_and_closed_is_noted(tmp_path: Path, kind: str, share: float, mode: str) -> None:
    (tmp_path / "x.jpg").write_bytes(cut_and_closed(photograph().convert(mode), share, **JPEGS[kind]))
    assert CUT in decode(tmp_path / "x.jpg").notes


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_progressive_jpeg_that_was_cut_before_any_of_its_scans_is_noted(tmp_path: Path, mode: str) -> None:
    whole = cut_and_closed(photograph().convert(mode), 1, progressive=True)
    starts = [at for at in range(len(whole) - 1) if whole[at : at + 2] == b"\xff\xda"]
    assert len(starts) > 3
    for start in starts[1:]:
        (tmp_path / "x.jpg").write_bytes(whole[:start] + b"\xff\xd9")
        assert CUT in decode(tmp_path / "x.jpg").notes, start


def test_inverted_colors_of_a_cut_jpeg_are_known_as_well(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(cut_and_closed(photograph().convert("CMYK"), 0.5))
    assert CUT in decode(tmp_path / "x.jpg").notes


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_whole_jpeg_is_not_noted(tmp_path: Path, kind: str, mode: str) -> None:
    (tmp_path / "x.jpg").write_bytes(cut_and_closed(photograph().convert(mode), 1, **JPEGS[kind]))
    assert decode(tmp_path / "x.jpg").notes == {}


def test_a_middle_grey_ground_is_not_taken_for_a_cut(tmp_path: Path) -> None:
    drawing("RGB", (128, 128, 128), (250, 10, 10)).resize((64, 64)).save(tmp_path / "x.jpg", quality=95)
    assert decode(tmp_path / "x.jpg").notes == {}


SAME_PIXELS: dict[str, Callable[[Image.Image, Path], None]] = {
    "another compression": lambda image, path: image.save(path, "PNG", compress_level=0),
    "BMP": lambda image, path: image.save(path, "BMP"),
    "TIFF with LZW": lambda image, path: image.save(path, "TIFF", compression="tiff_lzw"),
    "lossless WebP": lambda image, path: image.save(path, "WEBP", lossless=True),
    "a comment": lambda image, path: _with_comment(image, path),
    "an opaque alpha channel": lambda image, path: image.convert("RGBA").save(path, "PNG"),
    "turned, with the orientation that turns it back": lambda image, path: _turned(image, path),
}


def _with_comment(image: Image.Image, path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Comment", "the same picture")
    image.save(path, "PNG", pnginfo=info)


def _turned(image: Image.Image, path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    image.rotate(180).save(path, "PNG", exif=exif)


@pytest.mark.parametrize("kind", SAME_PIXELS)
def test_a_test_image_with_a_training_images_pixels_is_leakage_whatever_its_bytes(tmp_path: Path, kind: str) -> None:
    folder = make_image_folder(tmp_path / "images", TRAIN, TEST + "copy,cat\n")
    SAME_PIXELS[kind](Image.open(folder / "a.png"), folder / "copy")
    assert read_image_folder(folder).warnings == (
        "test.csv: 1 of 3 images are equal, pixel for pixel as scaled, to training images (first: 'copy' and 'a.png'); "
        "test accuracies are too high by what was memorised. Take them out of one of the lists",
    )


def test_equal_pixels_under_two_labels_are_warned_of_whatever_the_bytes(tmp_path: Path) -> None:
    folder = make_image_folder(tmp_path / "images", TRAIN + "copy.bmp,dog\n")
    Image.open(folder / "a.png").save(folder / "copy.bmp")
    assert any("(first: 'copy.bmp' as 'dog', 'a.png' as 'cat')" in text for text in read_image_folder(folder).warnings)


def test_one_other_pixel_makes_another_image(tmp_path: Path) -> None:
    folder = make_image_folder(tmp_path / "images", TRAIN, TEST + "copy.png,cat\n")
    pixels = np.array(Image.open(folder / "a.png"))
    pixels[3, 3, 0] ^= 1
    Image.fromarray(pixels).save(folder / "copy.png")
    assert read_image_folder(folder).warnings == ()
