"""Protects the pixels: whatever the kind of file, what a person would see is what the network is shown."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from smallmix.datasets import image_decoding, image_files
from smallmix.datasets.image_decoding import decode_images
from smallmix.study.cell import Fit

SIZE = 8
GREY_RAMP = np.arange(64, dtype=np.uint8).reshape(SIZE, SIZE) * 4
COLORS = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


def decoded(path: Path, size: int = SIZE, color: str = "rgb", fit: Fit = "crop") -> NDArray[np.uint8]:
    result = decode_images([str(path)], size, color, fit=fit)
    assert result.errors == {}
    pixels: NDArray[np.uint8] = result.pixels[0]
    return pixels


@pytest.mark.parametrize("name", ["x.png", "x.bmp", "x.tiff", "x.ppm", "wrong-extension.jpg"])
def test_lossless_files_of_the_right_size_keep_every_pixel(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    Image.fromarray(COLORS).save(path, format="PNG" if name.startswith("wrong") else None)
    np.testing.assert_array_equal(decoded(path), COLORS)


def test_jpeg_files_are_as_pillow_decodes_them(tmp_path: Path) -> None:
    Image.fromarray(COLORS).save(tmp_path / "x.jpg", quality=90)
    np.testing.assert_array_equal(decoded(tmp_path / "x.jpg"), np.asarray(Image.open(tmp_path / "x.jpg")))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_honoured(tmp_path: Path, orientation: int) -> None:
    turned: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
        1: lambda image: image,
        2: lambda image: image[:, ::-1],
        3: lambda image: image[::-1, ::-1],
        4: lambda image: image[::-1],
        5: lambda image: image.transpose(1, 0, 2),
        6: lambda image: np.rot90(image, -1),
        7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
        8: lambda image: np.rot90(image, 1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(COLORS).save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(decoded(tmp_path / "x.png"), turned[orientation](COLORS))


def test_a_damaged_exif_block_costs_a_note_and_not_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*arguments: object, **options: object) -> None:
        raise SyntaxError("not a TIFF file")

    Image.fromarray(COLORS).save(tmp_path / "x.png")
    monkeypatch.setattr("PIL.ImageOps.exif_transpose", damaged)
    result = decode_images([str(tmp_path / "x.png")], SIZE, "rgb")
    np.testing.assert_array_equal(result.pixels[0], COLORS)
    assert result.notes == {"have a damaged EXIF block; their orientation was not applied": [0]}


def test_an_exif_block_of_rubbish_is_survived(tmp_path: Path) -> None:
    Image.fromarray(COLORS).save(tmp_path / "x.jpg", exif=b"Exif\x00\x00rubbish", quality=95)
    assert decoded(tmp_path / "x.jpg").shape == (SIZE, SIZE, 3)


def test_transparent_pixels_are_composited_on_black(tmp_path: Path) -> None:
    alpha = np.zeros((SIZE, SIZE, 1), dtype=np.uint8)
    alpha[:4], alpha[4:6] = 255, 128
    Image.fromarray(np.concatenate([COLORS, alpha], axis=2)).save(tmp_path / "x.png")
    image = decoded(tmp_path / "x.png")
    np.testing.assert_array_equal(image[:4], COLORS[:4])
    np.testing.assert_allclose(image[4:6], COLORS[4:6] * (128 / 255), atol=1)
    assert image[6:].max() == 0


def test_grey_with_transparency_is_composited_on_black(tmp_path: Path) -> None:
    both = np.stack([np.full((SIZE, SIZE), 200, np.uint8), np.where(GREY_RAMP < 128, 255, 0).astype(np.uint8)], axis=2)
    Image.fromarray(both).save(tmp_path / "x.png")
    image = decoded(tmp_path / "x.png", color="grey")
    np.testing.assert_array_equal(image[..., 0], np.where(GREY_RAMP < 128, 200, 0))


@pytest.mark.parametrize("name", ["x.png", "x.gif"])
def test_the_transparent_entry_of_a_palette_becomes_black(tmp_path: Path, name: str) -> None:
    image = Image.new("P", (SIZE, SIZE), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.paste(1, (0, 0, SIZE, 4))
    image.save(tmp_path / name, transparency=0)
    pixels = decoded(tmp_path / name)
    assert (pixels[:4] == (0, 255, 0)).all()
    assert (pixels[4:] == 0).all()


def test_a_transparent_color_becomes_black(tmp_path: Path) -> None:
    image = Image.new("RGB", (SIZE, SIZE), (10, 20, 30))
    image.paste((200, 0, 0), (0, 0, 4, 4))
    image.save(tmp_path / "x.png", transparency=(200, 0, 0))
    pixels = decoded(tmp_path / "x.png")
    assert pixels[:4, :4].max() == 0
    assert (pixels[4:] == (10, 20, 30)).all()


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (SIZE, SIZE), (0, 255, 255, 0)).save(tmp_path / "x.jpg", quality=100)
    np.testing.assert_allclose(decoded(tmp_path / "x.jpg"), np.broadcast_to([255, 0, 0], (SIZE, SIZE, 3)), atol=3)


@pytest.mark.parametrize("name", ["x.png", "x.tiff", "x.pgm"])
@pytest.mark.parametrize("color", ["grey", "rgb"])
def test_grey_of_16_bits_is_scaled_not_clipped(tmp_path: Path, name: str, color: str) -> None:
    values = np.linspace(0, 65535, SIZE * SIZE).astype(np.uint16).reshape(SIZE, SIZE)
    Image.fromarray(values).save(tmp_path / name, format="PPM" if name.endswith("pgm") else None)
    expected = np.rint(values.astype(np.float64) / 257)
    for channel in np.moveaxis(decoded(tmp_path / name, color=color), 2, 0):
        np.testing.assert_array_equal(channel, expected)


def test_one_bit_becomes_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(GREY_RAMP > 100).save(tmp_path / "x.png")
    np.testing.assert_array_equal(decoded(tmp_path / "x.png", color="grey")[..., 0], np.where(GREY_RAMP > 100, 255, 0))


def test_colors_become_grey_by_their_luma(tmp_path: Path) -> None:
    Image.fromarray(COLORS).save(tmp_path / "x.png")
    luma = COLORS @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(decoded(tmp_path / "x.png", color="grey")[..., 0], luma, atol=1)


def test_of_several_frames_the_first_counts(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (SIZE, SIZE), color) for color in ("red", "lime", "blue")]
    for frame in frames:
        frame.paste((0, 0, 0), (0, 0, SIZE, 2))
    for name in ("x.gif", "x.png", "x.tiff"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        result = decode_images([str(tmp_path / name)], SIZE, "rgb")
        assert (result.pixels[0][2:] == (255, 0, 0)).all(), name
        assert result.notes == {"hold several frames; the first was used": [0]}, name


def test_the_second_picture_of_a_camera_file_is_no_animation(tmp_path: Path) -> None:
    frames = [Image.fromarray(COLORS), Image.new("RGB", (SIZE, SIZE), "lime")]
    frames[0].save(tmp_path / "x.jpg", quality=90)
    alone = decoded(tmp_path / "x.jpg")
    frames[0].save(tmp_path / "x.jpg", quality=90, format="MPO", save_all=True, append_images=frames[1:])
    assert Image.open(tmp_path / "x.jpg").format == "MPO"
    result = decode_images([str(tmp_path / "x.jpg")], SIZE, "rgb")
    np.testing.assert_array_equal(result.pixels[0], alone)
    assert result.notes == {}


@pytest.mark.parametrize(("width", "height"), [(24, 8), (8, 24), (25, 8)])
def test_the_central_square_is_taken(tmp_path: Path, width: int, height: int) -> None:
    wide = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(wide).save(tmp_path / "x.png")
    top, left = (height - SIZE) // 2, (width - SIZE) // 2
    np.testing.assert_array_equal(decoded(tmp_path / "x.png"), wide[top : top + SIZE, left : left + SIZE])


def test_shrinking_averages_over_the_pixels_it_covers(tmp_path: Path) -> None:
    """Without antialiasing a fine checkerboard would come out black or white instead of grey."""
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "x.png")
    np.testing.assert_allclose(decoded(tmp_path / "x.png", color="grey"), 127.5, atol=3)


def test_smaller_images_are_enlarged_and_noted(tmp_path: Path) -> None:
    image = Image.new("RGB", (3, 5), (1, 2, 3))
    image.paste((200, 200, 200), (2, 1, 3, 4))
    image.save(tmp_path / "x.png")
    result = decode_images([str(tmp_path / "x.png")], SIZE, "rgb")
    assert (result.pixels[0, :, 0] == (1, 2, 3)).all()
    assert result.notes == {"are smaller than 8 x 8 pixels and were enlarged": [0]}


def test_exactly_a_hundred_megapixels_are_still_read(tmp_path: Path) -> None:
    Image.new("1", (10_000, 10_000), 1).save(tmp_path / "x.png")
    assert (decoded(tmp_path / "x.png", color="grey") == 255).all()


def test_the_limit_holds_for_this_work_only(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    Image.fromarray(COLORS).save(tmp_path / "x.png")
    with warnings.catch_warnings(record=True) as caught:
        decoded(tmp_path / "x.png")
    assert before == Image.MAX_IMAGE_PIXELS
    assert caught == []


def test_files_of_more_than_the_limit_are_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "x.png", "wb") as stream:
        stream.truncate(image_files.LARGEST_FILE + 1)
    assert decode_images([str(tmp_path / "x.png")], SIZE, "rgb").errors == {0: "is a file of more than 512 MiB"}


def test_any_number_of_threads_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(2)
    paths: list[str] = []
    for number in range(300):
        paths.append(str(tmp_path / f"{number}.png"))
        if number % 50:
            Image.fromarray(generator.integers(0, 256, (9, 8, 3), dtype=np.uint8)).save(paths[-1])
    results = []
    for threads in (1, 4):
        monkeypatch.setattr(image_decoding, "_threads", lambda *_, threads=threads: threads)
        results.append(decode_images(paths, SIZE, "rgb"))
    np.testing.assert_array_equal(results[0].pixels, results[1].pixels)
    assert results[0].errors == results[1].errors
    assert list(results[0].errors) == [0, 50, 100, 150, 200, 250]
    assert results[0].digests == results[1].digests


# Two colours, left and right, in an image twice as wide as high.
TWO_HALVES = np.repeat(np.array([[[250, 10, 10]], [[10, 10, 250]]], dtype=np.uint8), 2 * SIZE, axis=1)
TWO_HALVES = np.repeat(TWO_HALVES.reshape(1, 4 * SIZE, 3), 2 * SIZE, axis=0)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("fit", "rows", "left", "right"),
    [
        ("crop", range(SIZE), (250, 10, 10), (10, 10, 250)),
        ("pad", range(2, 6), (250, 10, 10), (10, 10, 250)),
        ("squash", range(SIZE), (250, 10, 10), (10, 10, 250)),
    ],
)
def test_an_image_becomes_square_as_asked(
    tmp_path: Path, fit: Fit, rows: range, left: tuple[int, ...], right: tuple[int, ...], turned: bool
) -> None:
    wide = TWO_HALVES
    Image.fromarray(wide.transpose(1, 0, 2) if turned else wide).save(tmp_path / "x.png")
    pixels = decoded(tmp_path / "x.png", fit=fit)
    pixels = pixels.transpose(1, 0, 2) if turned else pixels
    for row in range(SIZE):
        assert tuple(pixels[row, 0]) == (left if row in rows else (0, 0, 0))
        assert tuple(pixels[row, -1]) == (right if row in rows else (0, 0, 0))


def test_only_cropping_loses_the_border(tmp_path: Path) -> None:
    image = np.zeros((SIZE, 3 * SIZE), dtype=np.uint8)
    image[:, : SIZE // 2] = 255
    Image.fromarray(image).save(tmp_path / "x.png")
    shown = {fit: int(decoded(tmp_path / "x.png", color="grey", fit=fit).max()) for fit in get_args(Fit)}
    assert shown["crop"] == 0
    assert min(shown["pad"], shown["squash"]) > 200


@pytest.mark.parametrize("fit", get_args(Fit))
@pytest.mark.parametrize("shape", [(1, 400), (400, 1), (1, 1), (8, 8), (7, 9)])
def test_images_of_any_shape_become_square(tmp_path: Path, fit: Fit, shape: tuple[int, int]) -> None:
    Image.fromarray(np.full(shape, 77, dtype=np.uint8)).save(tmp_path / "x.png")
    pixels = decoded(tmp_path / "x.png", color="grey", fit=fit)
    assert pixels.shape == (SIZE, SIZE, 1)
    assert 77 in pixels
    assert set(np.unique(pixels)) <= ({0, 77} if fit == "pad" else {77})


@pytest.mark.parametrize(("fit", "enlarged"), [("crop", True), ("pad", False), ("squash", True)])
def test_enlarging_is_noted_as_the_fit_has_it(tmp_path: Path, fit: Fit, enlarged: bool) -> None:
    Image.fromarray(COLORS[:4]).save(tmp_path / "x.png")
    notes = decode_images([str(tmp_path / "x.png")], SIZE, "rgb", fit=fit).notes
    assert any("were enlarged" in note for note in notes) == enlarged
