"""A real Slurm of one node, from Debian's packages, whose files all lie in one folder."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.network import free_port
from tests.support.processes import end_with_pytest
from tests.support.waiting import wait_for

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "squeue", "sinfo")
CONFIG = """\
ClusterName=tests
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MpiDefault=none
ReturnToService=2
KillWait=2
SlurmdParameters=config_overrides
NodeName=localhost NodeAddr=127.0.0.1 CPUs=4 RealMemory=4000 State=UNKNOWN
PartitionName=tests Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemons: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        ports = [free_port(), free_port()]
        config = CONFIG.format(folder=self.folder, ports=ports)
        (self.folder / "slurm.conf").write_text(config)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self._serve(
            *("munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket"),
            *(f"--key-file={key}", f"--pid-file={self.folder}/munged.pid"),
            *(f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/munge.seed"),
        )
        wait_for((self.folder / "munge.socket").exists, 10)
        self._serve("slurmctld", "-D", "-i")
        self._serve("slurmd", "-D", "-N", "localhost")
        wait_for(lambda: "idle" in self.command("sinfo", "--noheader", "--format=%t"), 60)

    def command(self, *words: str) -> str:
        """What a client's command says; nothing while the controller is not up."""
        done = subprocess.run(
            words, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout

    def jobs(self, state: str | None = "RUNNING") -> list[str]:
        """Ids of jobs in a state; None: of all that are not over."""
        states = [] if state is None else [f"--states={state}"]
        return self.command("squeue", "--noheader", "--format=%i", *states).split()

    def stop(self) -> None:
        if len(self.daemons) > 1:
            self.command("scancel", "--user=root")
            end = time.monotonic() + 20
            while self.jobs(None) and time.monotonic() < end:
                time.sleep(0.2)
        for daemon in reversed(self.daemons):
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait(timeout=20)

    def _serve(self, *words: str) -> None:
        with (self.folder / f"{words[0]}.out").open("w") as log:
            self.daemons.append(
                subprocess.Popen(
                    words,
                    env=self.environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=end_with_pytest,
                )
            )


@contextmanager
def slurm(folder: Path) -> Iterator[Slurm]:
    """A Slurm that is up, in a folder that it makes; skips where there can be none."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs Debian's slurmctld, slurmd, slurm-client and munge: no {missing[0]}")
    if os.geteuid() != 0:
        pytest.skip("needs to be root: Slurm's node starts jobs as their user")
    folder.mkdir()
    running = Slurm(folder)
    try:
        running.start()
        yield running
    finally:
        running.stop()
