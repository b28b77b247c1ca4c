"""Protects against pickles that run code: they are refused, and shown not to have run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from smallmix.datasets.pickled_batches import read_pickled_batch
from smallmix.errors import DatasetError

from tests.unit.datasets.small_archive import python2_pickle


def test_a_batch_is_read_as_python_2_wrote_it() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 12)
    batch = read_pickled_batch(python2_pickle({b"data": pixels, b"labels": [3, 9], b"batch_label": b"one"}), "x")
    assert batch["labels"] == [3, 9]
    assert batch["batch_label"] == b"one"
    assert batch["data"].dtype == np.uint8
    np.testing.assert_array_equal(batch["data"], pixels)


class _Calls:
    """Pickles as the call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self._call


def _hostile(name: str, witness: Path) -> bytes:
    """A pickle that, if it were run, would create the file `witness`."""
    command = f"open({str(witness)!r}, 'w').close()"
    quoted = command.encode()
    return {
        "os.system": pickle.dumps(_Calls(__import__("os").system, f"touch {witness}"), 2),
        "eval": pickle.dumps({b"data": _Calls(eval, command)}, 2),
        "exec": pickle.dumps({b"data": _Calls(exec, command)}, 4),
        "subprocess": pickle.dumps(_Calls(__import__("subprocess").call, ["touch", str(witness)]), 2),
        "open": pickle.dumps(_Calls(open, str(witness), "w"), 4),
        "numpy.f2py": b"\x80\x02cnumpy.f2py.diagnose\nrun_command\nU" + bytes([len(quoted)]) + quoted + b"\x85R.",
        "numpy testing": b"\x80\x02cnumpy.testing._private.utils\nrunstring\nU"
        + bytes([len(quoted)])
        + quoted
        + b"}\x86R.",
        "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x12core.os.system.this\x93.",
        "dtype attribute": b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__init__.\x93.",
        "builtins getattr": b"\x80\x02c__builtin__\ngetattr\ncnumpy\ndtype\nU\x08__init__\x86R.",
        "extension": b"\x80\x02\x82\x01.",
        "persistent": b"\x80\x02Nq\x00Q.",
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "eval",
        "exec",
        "subprocess",
        "open",
        "numpy.f2py",
        "numpy testing",
        "dotted name",
        "dtype attribute",
        "builtins getattr",
        "extension",
        "persistent",
    ],
)
def test_pickles_that_call_anything_are_refused_and_do_not_run(tmp_path: Path, name: str) -> None:
    witness = tmp_path / "ran"
    with pytest.raises(DatasetError, match="evil batch is not a CIFAR-10 batch"):
        read_pickled_batch(_hostile(name, witness), "evil batch")
    assert not witness.exists()


def test_the_witness_of_these_tests_does_appear_where_a_pickle_is_run(tmp_path: Path) -> None:
    for name in ("os.system", "eval", "exec", "subprocess", "open"):
        witness = tmp_path / name
        pickle.loads(_hostile(name, witness))
        assert witness.exists(), name


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        b"\x80\x02.",
        b"\x80\x02K\x01.",
        python2_pickle({b"data": [1]})[:-3],
        python2_pickle({b"data": np.zeros((2, 2), dtype=np.int16)}),
        python2_pickle({b"data": np.zeros((2, 2), dtype=np.float64)}),
        python2_pickle({b"data": np.zeros(4, dtype=np.uint8)}).replace(b"(K\x04t", b"(K\x05t"),
        b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87Rs.",
        b"\x80\x02}U\x04datacnumpy\ndtype\nU\x02u1\x85Rs.",
        b"\x80\x02cnumpy\ndtype\nU\x02O8\x85R.",
    ],
)
def test_damaged_pickles_and_other_arrays_are_refused(content: bytes) -> None:
    with pytest.raises(DatasetError, match="b is not a CIFAR-10 batch"):
        read_pickled_batch(content, "b")


def test_nothing_admitted_can_be_changed_by_a_pickle() -> None:
    """BUILD on the stand-ins' classes themselves must not alter how the next batch is read."""
    changing = b"\x80\x02cnumpy\nndarray\n}U\x0c__setstate__K\x01sb0}."
    with pytest.raises(DatasetError):
        read_pickled_batch(changing, "b")
    pixels = np.ones((1, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read_pickled_batch(python2_pickle({b"data": pixels}), "b")["data"], pixels)
