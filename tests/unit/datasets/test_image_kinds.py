"""Protects people from riddles: a file that is not read is named as what it is, with what to do."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from smallmix.datasets.image_decoding import decode_images


def error_of(path: Path) -> str:
    return decode_images([str(path)], 8, "rgb").errors[0]


def tiff(
    values: np.ndarray[tuple[int, ...], np.dtype[np.generic]], sample_format: int, order: Literal["<", ">"] = "<"
) -> bytes:
    """An uncompressed TIFF of any number of channels and any sample format, in either byte order."""
    height, width, channels = values.shape
    bits = values.dtype.itemsize * 8
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    extra = struct.pack(f"{order}{channels}H", *[bits] * channels)
    extra += struct.pack(f"{order}{channels}H", *[sample_format] * channels)
    count = 10
    base = 8 + 2 + 12 * count + 4

    def entry(tag: int, kind: int, number: int, value: int) -> bytes:
        packed = struct.pack(f"{order}HH", value, 0) if kind == 3 and number == 1 else struct.pack(f"{order}I", value)
        return struct.pack(f"{order}HHI", tag, kind, number) + packed

    one = channels == 1
    entries = [
        entry(256, 3, 1, width),
        entry(257, 3, 1, height),
        entry(258, 3, channels, bits if one else base),
        entry(259, 3, 1, 1),
        entry(262, 3, 1, 1),
        entry(273, 4, 1, base + len(extra)),
        entry(277, 3, 1, channels),
        entry(278, 3, 1, height),
        entry(279, 4, 1, len(data)),
        entry(339, 3, channels, sample_format if one else base + 2 * channels),
    ]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, count)
    return head + b"".join(entries) + struct.pack(f"{order}I", 0) + extra + data


@pytest.mark.parametrize(
    ("kind", "least", "largest"),
    [("<i2", -1000, 2150), ("<i1", -100, 100), ("<i4", -70000, 70000)],
)
def test_signed_pixels_are_named_with_their_range(tmp_path: Path, kind: str, least: int, largest: int) -> None:
    values = np.linspace(least, largest, 64).astype(kind).reshape(8, 8, 1)
    (tmp_path / "x.tif").write_bytes(tiff(values, 2))
    assert error_of(tmp_path / "x.tif") == (
        f"has signed pixels (from {least:,} to {largest:,}), of which black and white are unknown; "
        "save it with 8 or 16 unsigned bits a channel"
    )


def test_signed_types_without_negative_pixels_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.tif").write_bytes(tiff(np.arange(64, dtype=np.int8).reshape(8, 8, 1), 2))
    result = decode_images([str(tmp_path / "x.tif")], 8, "grey")
    assert result.pixels[0, ..., 0].ravel().tolist() == list(range(64))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("kind", "channels", "sample_format", "words"),
    [
        (np.uint8, 5, 1, "5 channels of 8 bits, unsigned, raw"),
        (np.uint16, 7, 1, "7 channels of 16 bits, unsigned, raw"),
        (np.float32, 3, 3, "3 channels of 32 bits, floating-point, raw"),
        (np.float64, 1, 3, "1 channel of 64 bits, floating-point, raw"),
        (np.int16, 3, 2, "3 channels of 16 bits, signed, raw"),
    ],
)
def test_a_tiff_of_a_kind_that_is_not_read_is_named_as_one(
    tmp_path: Path, kind: type[np.generic], channels: int, sample_format: int, words: str, order: Literal["<", ">"]
) -> None:
    (tmp_path / "x.tif").write_bytes(tiff(np.zeros((8, 8, channels), kind), sample_format, order))
    error = error_of(tmp_path / "x.tif")
    assert error.startswith("is a TIFF of a kind that is not read (")
    for part in words.split(" of ")[0], words.split(", ")[1]:
        assert part in error
    if order == "<":
        assert words in error
    assert "save it as PNG" in error


def test_a_jpeg_of_12_bits_is_named_as_one(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG")
    content = bytearray(stream.getvalue())
    content[content.index(b"\xff\xc0") + 4] = 12
    (tmp_path / "x.jpg").write_bytes(content)
    assert error_of(tmp_path / "x.jpg").startswith("is a JPEG of a kind that is not read (12 bits a channel)")


def png_with_text(characters: int) -> bytes:
    info = PngInfo()
    info.add_text("Comment", "x" * characters, zip=True)
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, "PNG", pnginfo=info)
    return stream.getvalue()


def png_with_a_large_profile() -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, "PNG")
    content = stream.getvalue()
    return content[:33] + chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(3 << 20))) + content[33:]


@pytest.mark.parametrize("content", [png_with_text(2 << 20), png_with_a_large_profile()], ids=["text", "profile"])
def test_large_texts_and_profiles_of_a_png_are_named_and_no_damage_is_claimed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.png").write_bytes(content)
    error = error_of(tmp_path / "x.png")
    assert error.startswith("holds text or a colour profile of more than 1 MiB")
    assert error.endswith("save it without metadata")
    assert "damaged" not in error


def test_a_text_below_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(png_with_text(1 << 19))
    assert decode_images([str(tmp_path / "x.png")], 8, "rgb").errors == {}


@pytest.mark.parametrize("start", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"II*\0", b"MM\0*"])
def test_a_file_of_which_only_the_beginning_is_an_image_is_damaged(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "x").write_bytes(start + b"\x07" * 40)
    error = error_of(tmp_path / "x")
    assert "the file is damaged" in error
    assert "not an image of a known format" not in error


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "the pointer of Git LFS.*git lfs pull"),
        (b"/annex/objects/SHA256E-s1--0.png\n", "the pointer of git-annex"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC photograph; save it as PNG"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "an AVIF image"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a film"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
        (b"\0\x05\x16\x07\0\x02\0\0Mac OS X", r"what macOS keeps beside a file \('\._NAME'\)"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\x93NUMPY\x01\0", "an array of numpy"),
        (bytes(128) + b"DICM", "a DICOM file"),
        (b"  <!DOCTYPE HTML><html>404</html>", "a web page, perhaps a server's error message"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
    ],
)
def test_what_is_no_image_of_a_known_format_is_named_where_it_is_known(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "x.png").write_bytes(content)
    error = error_of(tmp_path / "x.png")
    assert re.match(rf"is not an image of a known format \(JPEG, .*\); it is {words}", error)


def test_what_is_not_known_at_all_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no image")
    assert error_of(tmp_path / "x.png").endswith("PPM)")
