"""A real Slurm on this machine: munged, slurmctld and three slurmd "nodes" as ordinary processes, all in one folder.

Needs the programs of Debian's packages slurmctld, slurmd, slurm-client and munge, and no rights: the nodes are names on
one host, their GPUs are character devices that every system has. Loopback only.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
CPU_NODES = ("c1", "c2")
GPU_NODE = "g1"
GPU_DEVICES = ("/dev/zero", "/dev/full", "/dev/null", "/dev/random")
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin")

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={root}/run/munge.sock,cred_expire=10
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmdPidFile={root}/run/slurmd.%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd.%n.log
AccountingStorageType=accounting_storage/none
MpiDefault=none
MailProg=/bin/true
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,sched_min_interval=100000,bf_interval=1,batch_sched_delay=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
DefMemPerCPU=100
MinJobAge=300
KillWait=20
SlurmctldTimeout=10
SlurmdTimeout=5
MessageTimeout=10
PropagateResourceLimits=NONE
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=c1 NodeHostname={host} NodeAddr=127.0.0.1 Port={c1_port} {node}
NodeName=c2 NodeHostname={host} NodeAddr=127.0.0.1 Port={c2_port} {node}
NodeName=g1 NodeHostname={host} NodeAddr=127.0.0.1 Port={g1_port} Gres=gpu:{gpus} {node}
PartitionName=main Nodes=c1,c2,g1 Default=YES MaxTime=60 DefaultTime=10 PriorityTier=1 GraceTime=5 State=UP
PartitionName=urgent Nodes=c1,c2,g1 MaxTime=60 DefaultTime=10 PriorityTier=9 PreemptMode=OFF State=UP
"""
NODE = "CPUs=6 Boards=1 SocketsPerBoard=1 CoresPerSocket=6 ThreadsPerCore=1 RealMemory=12000 State=UNKNOWN"

GUARD = """\
while kill -0 "$1"; do sleep 1; done
for environment in /proc/[0-9]*/environ; do
    process=${environment#/proc/}
    grep -qzxF "$2" "$environment" && kill -9 "${process%/environ}"
done
"""


def find_program(name: str) -> str | None:
    """Return where a program is; daemons are often outside an ordinary user's PATH."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(SYSTEM_FOLDERS))


def missing_programs() -> list[str]:
    """Return the programs that a test Slurm needs and that are not here."""
    return [name for name in PROGRAMS if find_program(name) is None]


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60.0, pause: float = 0.1) -> None:
    """Wait for a condition; a generous limit, because nothing here depends on how fast it comes true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s in vain for: {what}")
        time.sleep(pause)


@dataclass
class Slurm:
    """A running test Slurm. `environment` is what programs need to talk to it."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    _old_jobs: frozenset[str] = frozenset()

    @property
    def configuration(self) -> Path:
        """Return the slurm.conf of this Slurm."""
        return self.root / "etc" / "slurm.conf"

    def run(self, *command: str, check: bool = True) -> str:
        """Run a client program of this Slurm and return its output."""
        done = subprocess.run(
            [find_program(command[0]) or command[0], *command[1:]],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def start(self) -> None:
        """Write the configuration and start all daemons; return when every node is ready."""
        self._write_configuration()
        self._start_guard()
        self._start_munge()
        self.start_controller(keep_state=False)
        for node in (*CPU_NODES, GPU_NODE):
            self.start_node(node)
        wait_until(self.is_ready, "all nodes of the test Slurm idle")

    def start_controller(self, keep_state: bool = True) -> None:
        """Start slurmctld, with the jobs that it knew or without."""
        self._daemon("slurmctld", *([] if keep_state else ["-c"]))

    def stop_controller(self) -> None:
        """Stop slurmctld as its system would."""
        self._end(self.root / "run" / "slurmctld.pid")

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self._daemon("slurmd", "-N", node)

    def kill_node(self, node: str) -> None:
        """Kill a node's slurmd: to the controller the node is dead, while its jobs' processes run on."""
        self._end(self.root / "run" / f"slurmd.{node}.pid", signal.SIGKILL)

    def revive_node(self, node: str) -> None:
        """Bring a killed node back; its slurmd then clears away the jobs that it should not have any more."""
        self.start_node(node)
        self.run("scontrol", "update", f"NodeName={node}", "State=RESUME", check=False)

    def is_ready(self) -> bool:
        """Return whether every node is idle."""
        states = self.run("sinfo", "-h", "-N", "-o", "%N %t", check=False).splitlines()
        return bool(states) and all(state.split()[1] == "idle" for state in states)

    def jobs(self) -> dict[str, dict[str, str]]:
        """Return what the controller knows of every job since the last `clear`, by id: JobState, NodeList, GRES ..."""
        text = self.run("scontrol", "-d", "-o", "show", "jobs", check=False)
        found = {}
        for line in text.splitlines():
            fields = dict(re.findall(r"(\w+)=(\S*)", line))
            if fields.get("JobId", "") not in {"", *self._old_jobs}:
                found[fields["JobId"]] = fields
        return found

    def clear(self) -> None:
        """Cancel all jobs and wait until every node is idle again."""
        for node in (*CPU_NODES, GPU_NODE):
            if not self._alive(self.root / "run" / f"slurmd.{node}.pid"):
                self.revive_node(node)
        if not self._alive(self.root / "run" / "slurmctld.pid"):
            self.start_controller()
        wait_until(lambda: self.run("sinfo", "-h", check=False), "the controller's answer")
        self.run("scancel", "--user", getpass.getuser(), check=False)
        wait_until(self.is_ready, "all nodes idle after cancelling")
        self._old_jobs |= frozenset(self.jobs())

    def stop(self) -> None:
        """Stop everything: jobs first, then daemons, then what is left of the process tree."""
        with contextlib.suppress(Exception):
            self.run("scancel", "--user", getpass.getuser(), check=False)
            wait_until(lambda: not self.run("squeue", "-h", check=False).strip(), "no jobs", seconds=15)
        for node in (*CPU_NODES, GPU_NODE):
            self._end(self.root / "run" / f"slurmd.{node}.pid")
        self.stop_controller()
        self._end(self.root / "run" / "munged.pid")
        for process in self._own_processes():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)

    def _write_configuration(self) -> None:
        for name in ("etc", "state", "log", "run", "bin", *(f"spool/{node}" for node in (*CPU_NODES, GPU_NODE))):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for folder in (self.root, self.root / "run"):
            folder.chmod(0o755)
        controller_port, c1_port, c2_port, g1_port = _free_ports(4)
        self.configuration.write_text(
            CONFIGURATION.format(
                root=self.root,
                host=socket.gethostname().partition(".")[0],
                user=getpass.getuser(),
                controller_port=controller_port,
                c1_port=c1_port,
                c2_port=c2_port,
                g1_port=g1_port,
                gpus=len(GPU_DEVICES),
                node=NODE,
            )
        )
        lines = [f"NodeName={GPU_NODE} Name=gpu File={device}" for device in GPU_DEVICES]
        (self.root / "etc" / "gres.conf").write_text("AutoDetect=off\n" + "\n".join(lines) + "\n")
        # Inside a job the plugin drops SLURM_CONF before it calls srun; sites have /etc/slurm, this Slurm has not.
        shim = self.root / "bin" / "srun"
        shim.write_text(f'#!/bin/sh\nSLURM_CONF={self.configuration} exec {find_program("srun")} "$@"\n')
        shim.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH", "SRUN"))}
        kept["PATH"] = os.pathsep.join([str(self.root / "bin"), kept.get("PATH", ""), *SYSTEM_FOLDERS])
        self.environment.update(kept, SLURM_CONF=str(self.configuration), SLURM_TEST_FOLDER=str(self.root))
        for name in ("CUDA_VISIBLE_DEVICES", "SMALLMIX_CARDS"):
            self.environment.pop(name, None)

    def _start_munge(self) -> None:
        run = self.root / "run"
        (run / "munge.key").write_bytes(os.urandom(128))
        (run / "munge.key").chmod(0o400)
        self._daemon(
            "munged",
            "--force",
            f"--key-file={run}/munge.key",
            f"--socket={run}/munge.sock",
            f"--pid-file={run}/munged.pid",
            f"--log-file={self.root}/log/munged.log",
            f"--seed-file={run}/munged.seed",
        )
        munge = [find_program("munge") or "munge", "-S", f"{run}/munge.sock", "-n"]
        wait_until(lambda: subprocess.run(munge, capture_output=True).returncode == 0, "munge")

    def _start_guard(self) -> None:
        """Start a process that ends this Slurm when the tests' own process is killed and cannot do it."""
        clean = {name: value for name, value in self.environment.items() if name != "SLURM_TEST_FOLDER"}
        subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", str(os.getpid()), f"SLURM_TEST_FOLDER={self.root}"],
            env=clean,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _daemon(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [find_program(name) or name, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise RuntimeError(f"{name} does not start: {done.stderr}")

    def _alive(self, pid_file: Path) -> bool:
        with contextlib.suppress(OSError, ValueError):
            return _runs(int(pid_file.read_text()))
        return False

    def _end(self, pid_file: Path, name: signal.Signals = signal.SIGTERM) -> None:
        try:
            process = int(pid_file.read_text())
            os.kill(process, name)
        except (OSError, ValueError):
            return
        try:
            wait_until(lambda: not _runs(process), f"the end of {pid_file.stem}", seconds=20)
        except TimeoutError:
            os.kill(process, signal.SIGKILL)
            wait_until(lambda: not _runs(process), f"the death of {pid_file.stem}", seconds=20)

    def _own_processes(self) -> list[int]:
        """Return the processes that carry this Slurm's folder in their environment, this one excepted."""
        mark = f"SLURM_TEST_FOLDER={self.root}".encode()
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and int(folder.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if mark in (folder / "environ").read_bytes().split(b"\0"):
                        found.append(int(folder.name))
        return found


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
