"""A small archive's files in CIFAR-10's format, as Python 2 wrote them."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

FOLDER = "cifar-10-batches-py"
CLASSES = [b"airplane", b"automobile", b"bird", b"cat", b"deer", b"dog", b"frog", b"horse", b"ship", b"truck"]
IMAGES_PER_BATCH = 12


def python2_pickle(value: Any) -> bytes:
    """`value` as Python 2's pickle wrote it for the original archive: protocol 2, text as byte strings."""
    return b"\x80\x02" + _opcodes(value) + b"."


def _opcodes(value: Any) -> bytes:
    if isinstance(value, dict):
        return b"}(" + b"".join(_opcodes(key) + _opcodes(item) for key, item in value.items()) + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(_opcodes, value)) + b"e"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_opcodes, value)) + b"t"
    if isinstance(value, bytes):
        return (b"U" + bytes([len(value)]) if len(value) < 256 else b"T" + struct.pack("<i", len(value))) + value
    if isinstance(value, int):
        return b"K" + bytes([value]) if 0 <= value < 256 else b"J" + struct.pack("<i", value)
    assert isinstance(value, np.ndarray)
    kind = b"cnumpy\ndtype\nU\x02" + str(value.dtype.str)[1:].encode() + b"K\x00K\x01\x87R"
    kind += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return made + b"(K\x01" + _opcodes(value.shape) + kind + b"\x89" + _opcodes(value.tobytes()) + b"tb"


def small_members(seed: int = 0) -> dict[str, bytes]:
    """The eight files of an archive like CIFAR-10's, with twelve images a batch."""
    generator = np.random.default_rng(seed)
    meta = {b"num_cases_per_batch": IMAGES_PER_BATCH, b"label_names": CLASSES, b"num_vis": 3072}
    members = {f"{FOLDER}/batches.meta": python2_pickle(meta), f"{FOLDER}/readme.html": b"<html></html>"}
    for name in ("data_batch_4", "test_batch", "data_batch_3", "data_batch_2", "data_batch_5", "data_batch_1"):
        batch = {
            b"data": generator.integers(0, 256, (IMAGES_PER_BATCH, 3072), dtype=np.uint8),
            b"labels": generator.integers(0, 10, IMAGES_PER_BATCH).tolist(),
            b"batch_label": f"batch {name}".encode(),
            b"filenames": [b"a.png"] * IMAGES_PER_BATCH,
        }
        members[f"{FOLDER}/{name}"] = python2_pickle(batch)
    return members
