"""Protects trainings of narrow networks on large images: a kernel that reads beyond its memory must not be used.

oneDNN's backward pass of strided 1 x 1 convolutions crashes there on CPUs with AVX-512. A crash takes the process with
it, so the step is taken in another one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from smallmix.science.arithmetic import choose_memory_format

WORKFLOW = Path(__file__).resolve().parents[3] / "workflow"
STEP = """
import sys
import torch
from smallmix.science.arithmetic import choose_memory_format
from smallmix.science.networks.preactivation_layers import PreActivationBlock
width, side, told = map(int, sys.argv[1:])
torch.set_num_threads(1)
layout = choose_memory_format(torch.device("cpu"), told, side)
block = PreActivationBlock(width, 2 * width, 2).to(memory_format=layout)
for count in (3, 10):
    images = torch.randn(count, width, side, side).to(memory_format=layout).requires_grad_()
    block(images + 0).sum().backward()
    assert bool(torch.isfinite(images.grad).all())
print("taken")
"""


@pytest.mark.parametrize("known", [True, False], ids=["width-known", "width-unknown"])
@pytest.mark.parametrize(("width", "side"), [(8, 96), (4, 64), (15, 46), (16, 96), (8, 45)])
def test_a_step_is_taken(width: int, side: int, known: bool) -> None:
    """Networks of the user's and of torchvision have no width in the configuration."""
    command = [sys.executable, "-c", STEP, str(width), str(side), str(width if known else 0)]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(WORKFLOW)})
    assert (done.returncode, done.stdout) == (0, "taken\n"), done.stderr


def test_other_cells_keep_their_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layout changes last digits, so it stays where it works: at 45 pixels, from 16 channels on, and on CUDA."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    for device, width, side in ((cpu, 8, 32), (cpu, 8, 8), (cpu, 16, 96), (cpu, 0, 45), (cuda, 8, 96), (cuda, 0, 96)):
        assert choose_memory_format(device, width, side) == torch.channels_last
    for width, side in ((8, 96), (15, 46), (1, 512), (0, 46)):
        assert choose_memory_format(cpu, width, side) == torch.contiguous_format
