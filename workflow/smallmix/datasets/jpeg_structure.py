"""What the markers of a JPEG tell without decoding it: its kind, whether scans are missing, whether it was cut."""

from __future__ import annotations

from PIL import Image

SCAN, END_OF_IMAGE, STANDALONE = 0xDA, 0xD9, frozenset({0x01, *range(0xD0, 0xD9)})
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
BLOCK = 8
# What libjpeg leaves where the data ended: no coefficients, so the middle grey. Its inverse where colours are inverted.
MIDDLE = (128, 127)


def was_cut(opened: Image.Image, content: bytes) -> bool:
    """Whether a JPEG that decodes shows the marks of a file that was cut off and closed again. `opened` is loaded.

    The library says nothing, and leaves exact middle grey where data are missing. So an image counts as cut where its
    last block is exactly that, and its first block is not (a grey ground has both). A progressive JPEG is whole but
    coarse instead; there the scans are counted. A cut inside of the last block or of the last scan stays unseen.
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
    """Whether a progressive JPEG, closed in form, lacks scans that its components need for their full precision.

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
    """What is unusual about a JPEG's coding, bits and channels; empty where nothing is."""
    for marker, segment in _segments(content):
        if marker in FRAMES and segment:
            coding = "lossless" if marker & 3 == 3 else "arithmetic coding" if marker >= 0xC9 else ""
            coding = "hierarchical" if marker in (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF) else coding
            bits = f"{segment[0]} bits a channel" if segment[0] != 8 else ""
            channels = f"{segment[5]} channels" if len(segment) > 5 and segment[5] not in (1, 3, 4) else ""
            return ", ".join(word for word in (coding, bits, channels) if word)
    return ""


def _segments(content: bytes) -> list[tuple[int, bytes]]:
    """The markers of a JPEG with their segments, the compressed data between them left out."""
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
