"""Says in words what a file is that cannot be read as an image."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

from PIL import TiffImagePlugin

from smallmix.datasets.jpeg_structure import jpeg_kind

UNUSUAL = "of a kind that is not read"
SAVE_AS = "save it as PNG with 8 or 16 bits a channel, grey or RGB"
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
SAMPLE_FORMATS = {1: "unsigned", 2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
# First bytes, where they begin, and what such a file is.
KINDS: tuple[tuple[bytes, int, str], ...] = (
    (b"version https://git-lfs", 0, "the pointer of Git LFS in place of the image; fetch it with 'git lfs pull'"),
    (b"/annex/objects/", 0, "the pointer of git-annex in place of the image; fetch it with 'git annex get'"),
    (b"\0\x05\x16\x07", 0, "what macOS keeps beside a file ('._NAME'); the image is the file without '._'"),
    (b"ftypavif", 4, f"an AVIF image; {SAVE_AS}"),
    (b"ftypheic", 4, f"a HEIC photograph; {SAVE_AS}"),
    (b"ftypheix", 4, f"a HEIC photograph; {SAVE_AS}"),
    (b"ftypmif1", 4, f"a HEIF photograph; {SAVE_AS}"),
    (b"ftyp", 4, "a film"),
    (b"\0\0\0\x0cjP  ", 0, f"a JPEG 2000 image; {SAVE_AS}"),
    (b"\xff\x4f\xff\x51", 0, f"a JPEG 2000 image; {SAVE_AS}"),
    (b"\0\0\0\x0cJXL ", 0, f"a JPEG XL image; {SAVE_AS}"),
    (b"\xff\x0a", 0, f"a JPEG XL image; {SAVE_AS}"),
    (b"v/1\x01", 0, f"an OpenEXR image; {SAVE_AS}"),
    (b"8BPS", 0, f"a Photoshop file; {SAVE_AS}"),
    (b"\0\0\1\0", 0, f"an icon; {SAVE_AS}"),
    (b"DICM", 128, f"a DICOM file; {SAVE_AS}"),
    (b"\x93NUMPY", 0, f"an array of numpy; {SAVE_AS}"),
    (b"\x89HDF", 0, "an HDF5 file"),
    (b"%PDF", 0, "a PDF document"),
    (b"%!PS", 0, "a PostScript document"),
    (b"PK\x03\x04", 0, "a ZIP archive"),
    (b"\x1f\x8b", 0, "a gzip archive"),
)


def name_unread(content: bytes, formats: tuple[str, ...]) -> str:
    """What is wrong with a file that opens as none of `formats`, to stand behind its name: 'is …'."""
    for start, name, judge in READ_FORMATS:
        if content.startswith(start) and (name != "WEBP" or content[8:12] == b"WEBP"):
            kind = judge(content)
            if kind:
                return f"is a {name} {UNUSUAL} ({kind}); {SAVE_AS}"
            return f"begins like a {name}, but cannot be read as one; the file is damaged"
    seems = _kind_of(content)
    return f"is not an image of a known format ({', '.join(formats)})" + (f"; it is {seems}" if seems else "")


def name_fault(fault: Exception) -> str:
    """What is wrong with a file of a known format that the library gave up on, to stand behind its name."""
    text = str(fault) or type(fault).__name__
    if "MAX_TEXT" in text:
        return (
            "holds text or a colour profile of more than 1 MiB (64 MiB in all), which is not unpacked for safety; "
            "save it without metadata"
        )
    if any(word in text.casefold() for word in ("unsupported", "not supported", "unknown", "cannot handle")):
        return f"is {UNUSUAL} ({text}); {SAVE_AS}"
    return f"cannot be decoded ({text}); the file is damaged"


def _tiff_kind(content: bytes) -> str:
    """Channels, bits and compression of a TIFF's first image; empty where its directory is damaged."""
    try:
        directory = TiffImagePlugin.ImageFileDirectory_v2(content[: 16 if content[2:4] in (b"+\0", b"\0+") else 8])
        stream = io.BytesIO(content)
        stream.seek(directory.next)
        directory.load(stream)
        # A damaged directory gives tags of odd types; what cannot be read as numbers ends below.
        channels, bits = int(directory.get(277, 1)), sorted(set(directory.get(258, (1,))))
        sample = SAMPLE_FORMATS.get(directory.get(339, (1,))[0], "of unknown form")
        compression = TiffImagePlugin.COMPRESSION_INFO.get(directory.get(259, 1), "unknown compression")
        if not (directory.get(256) and directory.get(257)):
            return ""
        plural = "" if channels == 1 else "s"
        return f"{channels} channel{plural} of {'/'.join(map(str, bits))} bits, {sample}, {compression}"
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, OSError, struct.error, OverflowError):
        return ""


def _kind_of(content: bytes) -> str:
    for start, at, kind in KINDS:
        if content[at : at + len(start)] == start:
            return kind
    head = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<svg", b"<?xml")) and b"<svg" in head:
        return f"an SVG drawing; {SAVE_AS}"
    if head.startswith((b"<!doctype html", b"<html")):
        return "a web page, perhaps a server's error message in place of the image; fetch the image again"
    return ""


def _no_kind(content: bytes) -> str:
    return ""


READ_FORMATS: tuple[tuple[bytes, str, Callable[[bytes], str]], ...] = (
    *((start, "TIFF", _tiff_kind) for start in TIFF_STARTS),
    (b"\xff\xd8\xff", "JPEG", jpeg_kind),
    (b"\x89PNG\r\n\x1a\n", "PNG", _no_kind),
    (b"GIF8", "GIF", _no_kind),
    (b"RIFF", "WEBP", _no_kind),
    (b"BM", "BMP", _no_kind),
)
