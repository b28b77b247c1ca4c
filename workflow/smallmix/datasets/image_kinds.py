"""Tell by its bytes what a file is: of which format, of which unusual kind, or damaged, without decoding it.

The second half reads the markers of JPEG files: scans that are missing, and the marks of a file that was cut off.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

from PIL import Image, TiffImagePlugin

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
SCAN, END_OF_IMAGE, STANDALONE = 0xDA, 0xD9, frozenset({0x01, *range(0xD0, 0xD9)})
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
BLOCK = 8
# What libjpeg leaves where the data ended: no coefficients, so the middle grey. Its inverse where colours are inverted.
MIDDLE = (128, 127)


def describe_unread(content: bytes, formats: tuple[str, ...]) -> str:
    """Return what is wrong with a file that opens as none of `formats`, to stand behind its name: 'is …'."""
    for start, name, kind_of in READ_FORMATS:
        if content.startswith(start) and (name != "WEBP" or content[8:12] == b"WEBP"):
            kind = kind_of(content)
            if kind:
                return f"is a {name} {UNUSUAL} ({kind}); {SAVE_AS}"
            return f"begins like a {name}, but cannot be read as one; the file is damaged"
    seems = _kind_of(content)
    return f"is not an image of a known format ({', '.join(formats)})" + (f"; it is {seems}" if seems else "")


def describe_error(error: Exception) -> str:
    """Return what is wrong with a file of a known format that the library gave up on, to stand behind its name."""
    text = str(error) or type(error).__name__
    if "MAX_TEXT" in text:
        return (
            "holds text or a colour profile of more than 1 MiB (64 MiB in all), which is not unpacked for safety; "
            "save it without metadata"
        )
    if any(word in text.casefold() for word in ("unsupported", "not supported", "unknown", "cannot handle")):
        return f"is {UNUSUAL} ({text}); {SAVE_AS}"
    return f"cannot be decoded ({text}); the file is damaged"


def was_cut(opened: Image.Image, content: bytes) -> bool:
    """Return whether a JPEG that decodes shows the marks of a file that was cut off and closed again.

    The library says nothing, and leaves exact middle grey where data are missing. So an image counts as cut where its
    last block is exactly that, and its first block is not (a grey ground has both). A progressive JPEG is whole but
    coarse instead; there the scans are counted. A cut inside of the last block or of the last scan stays unseen.
    `opened` is loaded already.
    """
    if opened.info.get("progressive") and missing_scans(content):
        return True
    width, height = opened.size
    corner = opened.getpixel((width - 1, height - 1))
    if (corner[0] if isinstance(corner, tuple) else corner) not in MIDDLE:
        return False
    last = opened.crop(((width - 1) // BLOCK * BLOCK, (height - 1) // BLOCK * BLOCK, width, height))
    return _is_middle_grey(last) and not _is_middle_grey(opened.crop((0, 0, min(BLOCK, width), min(BLOCK, height))))


def missing_scans(content: bytes) -> bool:
    """Return whether a progressive JPEG, closed in form, lacks scans that its components need for their full precision.

    Each scan brings some coefficients of some components down to some bit; a whole file brings all 64 down to bit 0.
    """
    lowest: dict[tuple[int, int], int] = {}
    components: list[int] = []
    for marker, segment in _segments(content):
        if marker in FRAMES and len(segment) >= 6:
            components = [segment[6 + 3 * index] for index in range(segment[5]) if 6 + 3 * index < len(segment)]
        elif marker == SCAN and segment and len(segment) >= 4 + 2 * segment[0]:
            first, last, bits = segment[-3:]
            for index in range(segment[0]):
                for coefficient in range(first, min(last, 63) + 1):
                    lowest[segment[1 + 2 * index], coefficient] = bits & 15
    return any(lowest.get((component, coefficient), 1) for component in components for coefficient in range(64))


def jpeg_kind(content: bytes) -> str:
    """Return what is unusual about a JPEG's coding, bits and channels; empty where nothing is."""
    for marker, segment in _segments(content):
        if marker in FRAMES and segment:
            coding = "lossless" if marker & 3 == 3 else "arithmetic coding" if marker >= 0xC9 else ""
            coding = "hierarchical" if marker in (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF) else coding
            bits = f"{segment[0]} bits a channel" if segment[0] != 8 else ""
            channels = f"{segment[5]} channels" if len(segment) > 5 and segment[5] not in (1, 3, 4) else ""
            return ", ".join(word for word in (coding, bits, channels) if word)
    return ""


def _tiff_kind(content: bytes) -> str:
    """Return channels, bits and compression of a TIFF's first image; empty where its directory is damaged."""
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


def _segments(content: bytes) -> list[tuple[int, bytes]]:
    """Return the markers of a JPEG with their segments; the compressed data between them are left out."""
    found: list[tuple[int, bytes]] = []
    at = 2
    while (at := content.find(b"\xff", at)) >= 0 and at + 1 < len(content):
        marker = content[at + 1]
        if marker == END_OF_IMAGE:
            break
        if marker in STANDALONE or marker in (0x00, 0xFF):
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        found.append((marker, content[at + 4 : at + 2 + length]))
        at += 2 + max(length, 2)
    return found


def _is_middle_grey(image: Image.Image) -> bool:
    colors = image.getcolors(1)
    if not colors:
        return False
    value = colors[0][1]
    channels = set(value) if isinstance(value, tuple) else {value}
    return len(channels) == 1 and channels <= set(MIDDLE)


READ_FORMATS: tuple[tuple[bytes, str, Callable[[bytes], str]], ...] = (
    *((start, "TIFF", _tiff_kind) for start in TIFF_STARTS),
    (b"\xff\xd8\xff", "JPEG", jpeg_kind),
    (b"\x89PNG\r\n\x1a\n", "PNG", _no_kind),
    (b"GIF8", "GIF", _no_kind),
    (b"RIFF", "WEBP", _no_kind),
    (b"BM", "BMP", _no_kind),
)
