"""The first signal asks, the second ends the process at once, and ignored signals stay ignored."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from smallmix.errors import Interrupted
from smallmix.training.signals import WATCHED, StopRequest

PACKAGE_PARENT = Path(__file__).resolve().parents[3] / "workflow"
LISTENER = """
import signal, sys, time
sys.path.insert(0, sys.argv[1])
from smallmix.training.signals import StopRequest
for name in sys.argv[2:]:
    signal.signal(signal.Signals[name], signal.SIG_IGN)
stop = StopRequest().listen()
print("listening", flush=True)
while not stop:
    time.sleep(0.01)
print(stop.signal_name, flush=True)
time.sleep(60)
"""


def listener(*ignored: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENER, str(PACKAGE_PARENT), *ignored], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"
    return process


@pytest.mark.parametrize("number", WATCHED, ids=lambda number: number.name)
def test_the_first_asks_and_the_second_ends(number: signal.Signals) -> None:
    with listener() as process:
        assert process.stdout is not None
        process.send_signal(number)
        assert process.stdout.readline() == f"{number.name}\n"
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT"])
def test_nohup_and_background_jobs_are_left_alone(name: str) -> None:
    with listener(name) as process:
        assert process.stdout is not None
        process.send_signal(signal.Signals[name])
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == "SIGUSR1\n"
        process.kill()


def test_a_stop_before_the_first_step_reports_that_nothing_is_lost() -> None:
    stop = StopRequest()
    stop.check("starting")
    stop.signal_name = "SIGTERM"
    with pytest.raises(Interrupted, match=r"SIGTERM received while starting.*nothing is lost") as caught:
        stop.check("starting")
    assert caught.value.exit_code == 6
