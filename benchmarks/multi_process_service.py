"""NVIDIA's multi-process service, without which the kernels of several processes take turns on a GPU."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping

CONTROL = "nvidia-cuda-mps-control"
SECONDS_TO_ANSWER = 20.0


@contextlib.contextmanager
def multi_process_service() -> Iterator[Mapping[str, str] | None]:
    """Run the service for this user alone; yield what its clients need in their environment.

    Yields None where it cannot be started. It needs no change of the GPU's settings and ends with the block.
    """
    control = shutil.which(CONTROL)
    if control is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="multi-process-service-", ignore_cleanup_errors=True) as folder:
        own = {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        if not _succeeds([control, "-d"], own):
            yield None
            return
        try:
            yield own
        finally:
            _succeeds([control], own, b"quit\n")


def _succeeds(command: list[str], variables: Mapping[str, str], words: bytes = b"") -> bool:
    """Run the control program; return whether it ended well, and in time.

    The service that it leaves behind keeps its files open, so that pipes would never end. It gets a session of its own,
    so that a Ctrl-C for the benchmark does not end it under its clients.
    """
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **variables},
            input=words,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=SECONDS_TO_ANSWER,
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError):
        return False
    return done.returncode == 0
