"""Protects the choice of arithmetic by device: layout by instruction set, and a word where bf16 costs time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from smallmix.training.devices import bfloat16_support, choose_memory_format, warn_of_emulation

from tests.tiny_cell import TinyData, tiny_cell

CPU = torch.device("cpu")
SAPPHIRE_RAPIDS = {"architecture": "x86_64", "amx_bf16": True, "avx512_bf16": True}
ZEN_4 = {"architecture": "x86_64", "amx_bf16": False, "avx512_bf16": True}
SKYLAKE = {"architecture": "x86_64", "amx_bf16": False, "avx512_bf16": False}
GRAVITON = {"architecture": "aarch64", "bf16": True}


def pretend(monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, Any]) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)


@pytest.mark.parametrize(
    ("capabilities", "support"),
    [(SAPPHIRE_RAPIDS, "native"), (ZEN_4, "native"), (SKYLAKE, "emulated"), (GRAVITON, "unknown")],
)
def test_bfloat16_is_native_where_the_processor_has_instructions_for_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, Any], support: str
) -> None:
    pretend(monkeypatch, capabilities)
    assert bfloat16_support(CPU) == support
    assert (warn_of_emulation("bf16", CPU) is not None) == (support == "emulated")
    assert warn_of_emulation("fp32", CPU) is None


def test_the_real_processor_is_recognised() -> None:
    """Against what the system says, where it says it."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        pytest.skip("needs /proc/cpuinfo")
    if "flags" not in flags:
        pytest.skip("needs an x86 processor")
    assert bfloat16_support(CPU) == ("native" if {"amx_bf16", "avx512_bf16"} & set(flags) else "emulated")


def test_a_training_says_that_its_precision_is_emulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, SKYLAKE)
    data = TinyData.write(tmp_path)
    _, lines = data.train(tiny_cell(precision="bf16"), tmp_path / "bf16")
    assert any("does not compute in bfloat16" in line and "recipe.precision: fp32" in line for line in lines)
    _, lines = data.train(tiny_cell(), tmp_path / "fp32")
    assert not any("emulated" in line for line in lines)


@pytest.mark.parametrize(
    ("instructions", "width", "chosen"),
    [
        ("AVX512", 8, torch.channels_last),
        ("AVX2", 8, torch.contiguous_format),
        ("AVX2", 64, torch.channels_last),
    ],
)
def test_the_layout_goes_by_instructions_and_width(
    monkeypatch: pytest.MonkeyPatch, instructions: str, width: int, chosen: torch.memory_format
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: instructions)
    assert choose_memory_format(CPU, width) == chosen
