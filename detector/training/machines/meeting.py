"""The processes of a run meet: those of this machine are started, and all wait for those of the others."""

from __future__ import annotations

import errno
import os
import socket
from datetime import timedelta

import torch.distributed
from lightning_fabric import Fabric
from torch.distributed import DistError

from backbones.errors import ConfigError, HoopoeError
from detector.base.reporting import say
from detector.training.machines.interfaces import choose_interface
from detector.training.machines.placing import ADDRESS, LOCAL_RANK, PORT, Placement, is_torchrun

MEETING = timedelta(minutes=10)  # in which all must have been started, on all machines
PREPARING = timedelta(days=1)  # for a process that fetches and reads data longer than others: `Lifeline` knows it lives
TRAINING = timedelta(minutes=30)  # for one that hangs and lives: torch's own default


def start_processes(fabric: Fabric, placed: Placement) -> None:
    """Start those of this machine, unless torchrun or srun has, and wait for those of others.

    Args:
        fabric: Not launched yet.
        placed: Where all are.

    Raises:
        ConfigError: The first machine has no such address, or its port is taken.
        HoopoeError: The machines do not find each other.
    """
    machines = placed.machines
    if machines > 1:
        _prepare(placed)
    try:
        fabric.launch()
    except (DistError, RuntimeError) as error:
        words = " ".join(str(error).split())
        if machines == 1 or (not isinstance(error, DistError) and "gloo" not in words.lower()):
            raise
        hint = "start the same command on all of them, --node-rank apart; open the ports between them"
        problem = f"the {machines} machines have not found each other ({words[:200]})"
        raise HoopoeError(problem, where=f"{os.environ.get(ADDRESS)}:{os.environ.get(PORT)}", hint=hint) from error
    # Fabric's own watch over the processes that it has started kills this one without a word; ours has words
    launcher = fabric.strategy.launcher
    if launcher is not None:
        getattr(launcher, "procs", []).clear()


def _prepare(placed: Placement) -> None:
    host, port = os.environ[ADDRESS], int(os.environ[PORT])
    choose_interface(host)
    if is_torchrun() or int(os.environ.get(LOCAL_RANK, "0")):
        return
    if placed.machine == 0:
        refuse_unfit(host, port)
    own = f"machine {placed.machine + 1} of {placed.machines}, {socket.gethostname()}"
    say(f"{own}: waiting for the others at {host}:{port}, {MEETING // timedelta(minutes=1)} minutes at most")


def collectives_wait(at_most: timedelta) -> None:
    """Let collectives wait so long for other processes, from now on."""
    change = getattr(torch.distributed, "set_timeout", None)
    if change is None:  # torch before it had this name
        change = torch.distributed.distributed_c10d._set_pg_timeout
    change(at_most)


def refuse_unfit(host: str, port: int) -> None:
    """Refuse an address that is none of this machine, and a port that is taken."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind(address)
        except OSError as error:
            where = f"{host}:{port}"
            if error.errno == errno.EADDRNOTAVAIL:
                hint = "--rendezvous names the machine of --node-rank 0, on all machines"
                raise ConfigError("the first machine has no such address", where=where, hint=hint) from error
            hint = "take another one, the same on all machines"
            raise ConfigError(f"this port cannot be had ({error.strerror})", where=where, hint=hint) from error
