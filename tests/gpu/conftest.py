"""Every test here needs a CUDA GPU and is skipped where there is none."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

# Must be set before CUDA starts: deterministic matrix products need it.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@pytest.fixture(autouse=True)
def gpu_device() -> Iterator[torch.device]:
    """Return the GPU, with the arithmetic of trainings and without TF32, whose rounding would hide differences."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU; PyTorch sees none")
    from smallmix.science.arithmetic import fix_arithmetic

    fix_arithmetic(1)
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield torch.device("cuda")
    torch.backends.cudnn.allow_tf32 = before
