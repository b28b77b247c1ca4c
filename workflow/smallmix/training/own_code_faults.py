"""What is wrong with a user's method or network, in words: place, what was found, what was expected, what to do."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smallmix.errors import SmallmixError
from smallmix.own_code import describe_error, own_name, place_of, seen_from_here

# What a declaration of a parameter allows, by the name of its type, and how it is said.
PLAIN_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "float": ((int, float), "a number"),
    "int": ((int,), "a whole number"),
    "str": ((str,), "text"),
    "bool": ((bool,), "true or false"),
}
META = torch.device("meta")  # where tensors have shapes and types, and no values
# What PyTorch says where code asks a tensor without values for one, or for a shape that depends on values.
VALUE_READ = (
    "cannot be called on meta tensors",
    "Cannot copy out of meta tensor",
    "can't convert meta device",
    "register_meta function",
    "with Meta tensors",
    "repeat_interleave a meta tensor",
    "converted to an index",
)
OTHER_DEVICE = "not on the expected device meta"
NO_GRADIENT = "does not require grad"
READS_VALUES = (
    "the step looks at a tensor's value here, or makes a shape of it; expected tensor operations alone, because a step "
    "is captured once and replayed for every batch. Write torch.where(condition, a, b) instead of an `if`, and draw "
    "numbers ahead in `draw`"
)
BRINGS_TENSOR = (
    "a tensor of the CPU meets those of the batch here; expected tensors of the batch's own device. Make it with "
    "images.new_zeros(…), or give device=images.device"
)


class Fault(Exception):
    """What is wrong with a user's file: place, what was found, what was expected, what to do."""


@dataclass(frozen=True)
class ImageKind:
    """What a network is given: (height, width, channels) in pixels, and how many classes there are."""

    shape: tuple[int, int, int]
    classes: int

    def batch(self, size: int) -> Tensor:
        """Return images without values: float32 [size, C, H, W] on the meta device."""
        height, width, channels = self.shape
        return torch.empty((size, channels, height, width), device=META)


@dataclass(frozen=True)
class OwnPlace:
    """A class or function of the user's in its file, for messages. `name` is FILE.py:NAME."""

    name: str
    file: str

    @property
    def path(self) -> str:
        """Return the file as Python names it in a traceback."""
        return str(Path(self.file).resolve())

    def fault(
        self,
        text: str,
        function: Any = None,
        error: BaseException | None = None,
        at: tuple[int, str] | None = None,
    ) -> Fault:
        """Return a fault at a line of a function, or where an error was raised, or else where the function begins."""
        return Fault(f"{self.describe(function, error, at)}: {text}.")

    def describe(
        self, function: Any = None, error: BaseException | None = None, at: tuple[int, str] | None = None
    ) -> str:
        """Return file, line and name of a place, as in my_method.py, line 7, Mine.mix; arguments as of `fault`."""
        line, inside = at or (place_of(error, self.path) if error is not None else (None, ""))
        code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
        if line is None and code is not None:
            line, inside = code.co_firstlineno if code.co_filename == self.path else None, code.co_name
        name = own_name(self.name)
        thing = f"{name}.{inside}" if inside not in ("", name, "__init__", "<module>") else name
        return f"{seen_from_here(self.path)}{f', line {line}' if line else ''}, {thing}"

    def explain(self, error: Exception, function: Any = None) -> Exception:
        """Return the fault that an error in the user's code stands for."""
        if isinstance(error, Fault | SmallmixError):  # complete already
            return error
        text = str(error).partition("\n")[0].rstrip(".")
        if any(part in str(error) for part in VALUE_READ):
            return self.fault(f"{READS_VALUES} (PyTorch: {text})", function, error)
        if OTHER_DEVICE in str(error):
            return self.fault(BRINGS_TENSOR, function, error)
        if NO_GRADIENT in str(error):
            return self.fault(
                "the loss does not depend on what the network gave; expected a loss of `log_probabilities`", function
            )
        if isinstance(error, ImportError):
            return self.fault(describe_error(error, self.path), function, error)
        return self.fault(f"{type(error).__name__}: {text}", function, error)

    @contextlib.contextmanager
    def explaining(self, function: Any) -> Iterator[None]:
        """Turn errors of the user's code in this block into faults."""
        try:
            yield
        except Exception as error:
            raise self.explain(error, function) from error


def begins_in(place: OwnPlace, *functions: Any) -> Any:
    """Return the first of some functions that stands in the user's file; None where none does."""
    codes = ((function, getattr(inspect.unwrap(function), "__code__", None)) for function in functions)
    return next((function for function, code in codes if code is not None and code.co_filename == place.path), None)


def require_like(found: Any, given: Tensor, place: OwnPlace, function: Any, what: str) -> None:
    """Raise Fault where a function of the user's returned no tensor of the shape, type and device of `given`."""
    same = isinstance(found, Tensor) and found.shape == given.shape and found.dtype == given.dtype
    if not same or found.device != given.device:
        raise place.fault(
            f"it returns {describe(found)}; expected {what} as they came: {describe(given)} on the same device. Return "
            "a tensor of that shape and type",
            function,
        )


def refuse_other_parameters(
    place: OwnPlace, called: Any, given: Mapping[str, Any], section: str, given_anyway: Sequence[str] = ()
) -> None:
    """Raise Fault where a class or function takes other parameters than the configuration gives it in a section."""
    wanted = {name: one for name, one in inspect.signature(called).parameters.items() if name not in given_anyway}
    kinds = {one.kind for one in wanted.values()}
    function = called if inspect.isfunction(called) else called.__init__
    for name in given:
        if name not in wanted and inspect.Parameter.VAR_KEYWORD not in kinds:
            taken = ", ".join(wanted) or "no parameter"
            raise place.fault(
                f"it takes {taken}; found {_key(section, name)}. Remove that key, or give it the parameter", function
            )
    for name, one in wanted.items():
        if one.default is one.empty and name not in given and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
            key = _key(section, name)
            raise place.fault(f"it needs the parameter {name}, and {key} is not there. State that key", function)


def refuse_other_types(place: OwnPlace, called: Any, given: Mapping[str, Any], section: str) -> None:
    """Raise Fault where a parameter is declared a number, a text or a truth value, and the configuration gives another.

    Declarations that say more than that are left to the class or function itself.
    """
    function = called if inspect.isfunction(called) else called.__init__
    for name, one in inspect.signature(called).parameters.items():
        wanted = PLAIN_TYPES.get(str(getattr(one.annotation, "__name__", one.annotation)))
        if wanted is None or name not in given or _is_of(given[name], wanted[0]):
            continue
        found = f"the text {given[name]!r}" if isinstance(given[name], str) else repr(given[name])
        raise place.fault(
            f"its parameter {name} is declared as {wanted[1]}; found {found} for {_key(section, name)}. Write "
            f"{wanted[1]} there{', without quotes' if isinstance(given[name], str) else ''}",
            function,
        )


def _is_of(value: Any, wanted: tuple[type, ...]) -> bool:
    return isinstance(value, wanted) and (bool in wanted or not isinstance(value, bool))


def _key(section: str, name: str) -> str:
    return f"{section}.beta" if name == "beta" and section != "model" else f"{section}.parameters.{name}"


def describe(value: Any) -> str:
    """Return a tensor's type and shape, as float32 [8, 10], or what a value is instead."""
    if not isinstance(value, Tensor):
        return "nothing (None)" if value is None else f"a {type(value).__name__}"
    return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
