"""Which processes of a run are on which machine: by options, by torchrun, by Slurm's srun, or by the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from lightning_fabric.plugins.environments import SLURMEnvironment

from backbones.errors import ConfigError

TORCHRUN = ("TORCHELASTIC_RUN_ID", "RANK", "GROUP_RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "WORLD_SIZE")
NODE_RANK, ADDRESS, PORT, LOCAL_RANK = "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK"
FIRST_PORT = 15_000  # of Slurm jobs, whose last four digits are added: all their machines know it
EXAMPLE = "--node-rank 0 --rendezvous FIRST_HOST:29500"


@dataclass(frozen=True)
class Placement:
    """Where the processes of a run are.

    Args:
        devices: Processes on each machine.
        machines: Their number.
        machine: This one's, from 0.
        launched: Whether somebody else starts all processes of a machine, as torchrun does.
    """

    devices: int
    machines: int
    machine: int = 0
    launched: bool = False

    @property
    def processes(self) -> int:
        """Over all machines."""
        return self.devices * self.machines


@dataclass(frozen=True)
class Meeting:
    """What the options say of several machines.

    Args:
        nodes: Their number.
        node_rank: This one's, from 0; None: not said.
        rendezvous: HOST:PORT of the first one; None: not said.
    """

    nodes: int = 1
    node_rank: int | None = None
    rendezvous: str | None = None


def placement(devices: int, nodes: int, environment: Mapping[str, str] = os.environ) -> Placement:
    """Where the processes of a run are: as asked for, or under torchrun and srun as these say.

    Args:
        devices: Processes on each machine.
        nodes: Machines.
        environment: Variables by name.

    Raises:
        ConfigError: The machines have different numbers of processes.
    """
    if is_torchrun(environment):
        local, world = (int(environment[name]) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
        return _even(local, world, "torchrun", Placement(local, world // local, int(environment["GROUP_RANK"]), True))
    if _is_srun(environment):
        tasks, machines = (int(environment[name]) for name in ("SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES"))
        machine, each = int(environment["SLURM_NODEID"]), tasks // machines
        found = Placement(devices, machines, machine) if each == 1 else Placement(each, machines, machine, True)
        return _even(each, tasks, "srun", found)
    return Placement(devices, nodes, int(environment.get(NODE_RANK, "0")))


def is_torchrun(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether torchrun has started this process."""
    return all(name in environment for name in TORCHRUN)


def is_first_process(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is the process of a run that speaks, and writes its files."""
    if "RANK" in environment:
        return not int(environment["RANK"])
    if _is_srun(environment):
        return not int(environment["SLURM_PROCID"]) and not int(environment.get(LOCAL_RANK, "0"))
    return not int(environment.get(NODE_RANK, "0")) and not int(environment.get(LOCAL_RANK, "0"))


def meet(devices: int, meeting: Meeting, environment: MutableMapping[str, str] = os.environ) -> Placement:
    """Put into the environment, where Fabric reads it, what options and Slurm say of machines.

    Args:
        devices: Processes on each machine.
        meeting: What the options say.
        environment: Changed.

    Raises:
        ConfigError: It is not said which machine this is, or where the first one is; or both say other things.
    """
    if is_torchrun(environment) or _is_srun(environment):
        by = "torchrun" if is_torchrun(environment) else "srun"
        if meeting.node_rank is not None or meeting.rendezvous is not None:
            hint = f"leave out --node-rank and --rendezvous; {by} has options of its own for them"
            raise ConfigError(f"{by} has started this process, and says where it is", where="--rendezvous", hint=hint)
        found = placement(devices, meeting.nodes, environment)
        if meeting.nodes not in (1, found.machines):
            hint = "leave out --nodes"
            raise ConfigError(f"{by} has {found.machines} machines, not {meeting.nodes}", where="--nodes", hint=hint)
        if by == "srun":
            _follow_slurm(environment, found)
        return found
    _follow_options(environment, meeting)
    return placement(devices, meeting.nodes, environment)


def _follow_options(environment: MutableMapping[str, str], meeting: Meeting) -> None:
    if meeting.nodes == 1:
        if meeting.node_rank is not None or meeting.rendezvous is not None:
            raise ConfigError("this is a run on one machine", where="--nodes", hint="say how many, such as --nodes 2")
        return
    if meeting.node_rank is not None:
        environment[NODE_RANK] = str(meeting.node_rank)
    if meeting.rendezvous is not None:
        environment[ADDRESS], environment[PORT] = _host_and_port(meeting.rendezvous)
    if NODE_RANK not in environment:
        hint = f"{EXAMPLE} on the first, --node-rank 1 and the same address on the second ...; or torchrun, srun"
        problem = f"{meeting.nodes} machines are asked for, and nothing says which of them this is"
        raise ConfigError(problem, where="--node-rank", hint=hint)
    if ADDRESS not in environment or PORT not in environment:
        problem = f"{meeting.nodes} machines are asked for, and nothing says where they meet"
        raise ConfigError(problem, where="--rendezvous", hint=f"{EXAMPLE}, a free port of the first machine, on all")
    if not environment[NODE_RANK].isdecimal() or int(environment[NODE_RANK]) >= meeting.nodes:
        hint = f"of {meeting.nodes} machines the first is 0, the last {meeting.nodes - 1}"
        problem = f"there is no machine number {environment[NODE_RANK]}"
        raise ConfigError(problem, where="--node-rank", hint=hint)


def _host_and_port(rendezvous: str) -> tuple[str, str]:
    host, colon, port = rendezvous.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")  # of IPv6
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        problem = f"HOST:PORT is expected, not '{rendezvous}'"
        raise ConfigError(problem, where="--rendezvous", hint="such as node01:29500")
    return host, port


def _is_srun(environment: Mapping[str, str]) -> bool:
    """Whether srun has started this process as one of several; a shell in a job is no such thing."""
    return int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1 and "SLURM_PROCID" in environment


def _follow_slurm(environment: MutableMapping[str, str], found: Placement) -> None:
    """The first machine of the job is where all meet; MASTER_ADDR and MASTER_PORT, where set, say otherwise."""
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST", "127.0.0.1")
    environment.setdefault(ADDRESS, SLURMEnvironment.resolve_root_node_address(nodes))
    job = "".join(filter(str.isdecimal, environment.get("SLURM_JOB_ID", "")))[-4:] or "0"
    environment.setdefault(PORT, str(FIRST_PORT + int(job)))
    environment[NODE_RANK] = str(found.machine)
    if found.launched:
        environment[LOCAL_RANK] = environment["SLURM_LOCALID"]


def _even(each: int, processes: int, by: str, found: Placement) -> Placement:
    if found.machines * each != processes:
        problem = f"{by} has {processes} processes, not equally many on each of its machines"
        raise ConfigError(problem, where=by, hint="start as many on each")
    return found
