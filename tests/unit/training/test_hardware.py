"""Protects the choice of arithmetic by device: layout by instruction set, and a word where bf16 costs time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from smallmix.science.arithmetic import choose_memory_format
from smallmix.training import messages
from smallmix.training.hardware import bfloat16_support, peak_memory
from smallmix.training.messages import explain_unusable_gpus, warn_of_emulation

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


@pytest.mark.parametrize(
    ("instructions", "words"),
    [
        ("avx2", "10 to 15 times"),
        ("avx512", "about 3 times"),
        ("unknown", "several times"),
    ],
)
def test_a_warning_of_emulation_says_how_slow_and_what_to_type(
    monkeypatch: pytest.MonkeyPatch, instructions: str, words: str
) -> None:
    pretend(monkeypatch, SKYLAKE)
    monkeypatch.setattr(messages, "bf16_instructions", lambda: instructions)
    assert warn_of_emulation("bf16", CPU) == (
        "precision bf16 is emulated here (this processor does not compute in bfloat16): a step takes "
        f"{words} as long as in fp32. To train in fp32, add --config study=my-study recipe='{{precision: fp32}}'. The "
        "cells are others, with their own results"
    )


def test_the_real_processor_is_recognised() -> None:
    """Against what the system reports, where it does."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        pytest.skip("needs /proc/cpuinfo")
    if "flags" not in flags:
        pytest.skip("needs an x86 processor")
    assert bfloat16_support(CPU) == ("native" if {"amx_bf16", "avx512_bf16"} & set(flags) else "emulated")


def test_a_training_reports_that_its_precision_is_emulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, SKYLAKE)
    data = TinyData.write(tmp_path)
    _, lines = data.train(tiny_cell(precision="bf16"), tmp_path / "bf16")
    assert any("does not compute in bfloat16" in line and "recipe='{precision: fp32}'" in line for line in lines)
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


@pytest.mark.parametrize(
    ("cuda", "failure", "words"),
    [
        (None, None, "is a build for the CPU alone; install one for CUDA"),
        ("13.0", RuntimeError("The NVIDIA driver on your system is too old (found version 11040).\nMore"), "too old"),
        ("13.0", RuntimeError("Found no NVIDIA driver on your system."), "no NVIDIA driver"),
        ("13.0", None, "finds no GPU it can use"),
    ],
)
def test_a_counted_gpu_that_cannot_be_used_is_explained(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, failure: Exception | None, words: str
) -> None:
    def start() -> None:
        if failure is not None:
            raise failure

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", start)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.version, "hip", None)
    message = explain_unusable_gpus(["0", "1"])
    assert message is not None
    assert message.startswith("2 GPUs are counted here but cannot be used, so cells train on the CPU")
    assert words in message
    assert "\n" not in message
    assert explain_unusable_gpus([]) is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert explain_unusable_gpus(["0"]) is None


def test_a_training_without_its_counted_gpu_reports_it_in_log_and_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    data = TinyData.write(tmp_path)
    output, lines = data.train(tiny_cell(), tmp_path / "with", gpus=("0",))
    assert any(line.startswith("warning: 1 GPU is counted here but cannot be used") for line in lines)
    assert "not usable" in json.loads((output / "metrics.json").read_text())["environment"]["card"]
    output, lines = data.train(tiny_cell("images"), tmp_path / "without")
    assert not any("counted" in line for line in lines)
    assert "card" not in json.loads((output / "metrics.json").read_text())["environment"]


def test_a_record_has_the_largest_memory_of_its_process(tmp_path: Path) -> None:
    peak = peak_memory()
    assert peak is not None
    output, _ = TinyData.write(tmp_path).train(tiny_cell(), tmp_path / "out")
    assert json.loads((output / "metrics.json").read_text())["timing"]["peak_memory_bytes"] >= peak


@pytest.mark.parametrize("text", ["", "VmHWM:\n", "VmHWM: many kB\n"])
def test_memory_that_the_system_does_not_say_is_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "status").write_text(text)
    assert peak_memory(tmp_path / "status") is None
    assert peak_memory(tmp_path / "missing") is None
    (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t   2048 kB\n")
    assert peak_memory(tmp_path / "status") == 2048 * 1024
