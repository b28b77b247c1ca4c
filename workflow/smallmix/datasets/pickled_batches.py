"""Reads the pickles of the CIFAR-10 archive without letting a pickle call anything.

A pickle is a program: it names functions and calls them. The archive's batches need three names only, all of numpy's
array; here each stands for a small inert class that notes what it is given. Not even numpy's own code runs on the
content: the noted bytes become an array afterwards, by plain means.
"""

from __future__ import annotations

import io
import math
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallmix.errors import DatasetError


class _Noted:
    """Stands for an object of the pickle: keeps what it was made of and the state it was given."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _NotedArray(_Noted):
    """Stands for numpy.ndarray; its state is (version, shape, type, is column-major, bytes)."""


class _NotedType(_Noted):
    """Stands for numpy.dtype; its first argument is the code of the type."""


ADMITTED: dict[tuple[str, str], type[_Noted]] = {
    ("numpy.core.multiarray", "_reconstruct"): _NotedArray,
    ("numpy", "ndarray"): _NotedArray,
    ("numpy", "dtype"): _NotedType,
}


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> type[_Noted]:
        try:
            return ADMITTED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module_name}.{global_name}, which no CIFAR-10 batch needs"
            ) from None


def read_pickled_batch(content: bytes, where: str) -> dict[str, Any]:
    """The dictionary that a CIFAR-10 batch (a pickle written by Python 2) holds; uint8 arrays as numpy arrays.

    Text of Python 2 comes as bytes, except the dictionary's keys. Raises DatasetError, naming `where`, if the pickle
    asks for anything but numpy's uint8 arrays or is damaged; nothing that it names is imported or called.
    """
    try:
        value = _RestrictedUnpickler(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(value, dict):
            raise pickle.UnpicklingError(f"it holds a {type(value).__name__}, not a dictionary")
        return {_text(key): _array(item) if isinstance(item, _Noted) else item for key, item in value.items()}
    except Exception as fault:  # a damaged pickle may end in nearly any error
        raise DatasetError(f"{where} is not a CIFAR-10 batch: {fault}") from fault


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _array(noted: _Noted) -> NDArray[np.uint8]:
    _version, shape, kind, column_major, content = noted.state
    if not isinstance(noted, _NotedArray) or not isinstance(kind, _NotedType) or kind.arguments[0] not in (b"u1", "u1"):
        raise pickle.UnpicklingError("it holds an array that is not of uint8")
    if column_major or not isinstance(content, bytes) or math.prod(shape) != len(content):
        raise pickle.UnpicklingError(f"it holds an array of shape {shape} whose bytes do not fit")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)
