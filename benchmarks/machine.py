"""Where a benchmark ran: versions and hardware, without host names."""

from __future__ import annotations

import os
import platform

import numpy as np
import torch
from smallmix.science.arithmetic import choose_memory_format
from smallmix.training.hardware import bfloat16_support
from smallmix.training.processor import describe_processor


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_machine() -> dict[str, str]:
    """Return versions, processor, cores, GPU, and how busy the machine is as the run begins."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    narrow = choose_memory_format(torch.device("cpu"), 8)
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "processor": describe_processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bf16 on the CPU": bfloat16_support(torch.device("cpu")),
        "cores": str(cores()),
        "layout of narrow networks on the CPU": str(narrow).removeprefix("torch."),
        "GPU": gpu,
        "other load at the start (processes, one-minute mean)": f"{os.getloadavg()[0]:.1f}",
    }
