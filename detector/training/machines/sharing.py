"""What the processes of a run must have in common: settings, annotations, the checkpoint, the first weights."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from lightning_fabric import Fabric
from torch import nn

from backbones.errors import ConfigError
from detector.base.version import __version__
from detector.training.machines.losses import Member

OWN_SETTINGS = frozenset(("data.workers", "data.prefetch"))  # machines may differ in them


@dataclass(frozen=True)
class Account:
    """What a process is about to do.

    Args:
        member: Which one it is.
        settings: Its resolved configuration, by dotted keys.
        facts: What else must be the same: versions, annotations, whether a run is to go on.
        has_checkpoint: Whether it sees a checkpoint in the run's folder.
    """

    member: Member
    settings: Mapping[str, Any]
    facts: Mapping[str, str]
    has_checkpoint: bool


def facts_of(fingerprint: str, resume: bool) -> dict[str, str]:
    """What must be the same in all processes, in words, beside the settings.

    Args:
        fingerprint: Of all annotations.
        resume: Whether a run is to go on.
    """
    return {
        "Hoopoe": __version__,
        "torch": torch.__version__,
        "the annotations' fingerprint": fingerprint[:12],
        "--resume": "given" if resume else "not given",
    }


def refuse_differing(accounts: Sequence[Account], output: Path) -> None:
    """Refuse to train where processes would do different things; all come to the same verdict.

    Args:
        accounts: Of all processes, the first one first.
        output: The run's folder.

    Raises:
        ConfigError: A machine has other settings, versions or annotations, or the run lies on another machine.
    """
    first = accounts[0]
    for other in accounts[1:]:
        for before, after in ((first.facts, other.facts), (first.settings, other.settings)):
            for name in before:
                if name not in OWN_SETTINGS and before[name] != after.get(name):
                    a, b = first.member, other.member
                    problem = f"{name}: {before[name]} in {a}, {after.get(name)} in {b}"
                    hint = "give all machines the same command, files and versions"
                    raise ConfigError(f"the machines would not train alike: {problem}", where=b.host, hint=hint)
        if other.has_checkpoint and not first.has_checkpoint:
            hint = "begin with that machine as the first one (--node-rank 0), or copy the run's folder to the first one"
            problem = f"the run to go on with lies on {other.member.host}, and not on the first machine"
            raise ConfigError(problem, where=f"{first.member.host}: {output}", hint=hint)


def gathered(account: Account, fabric: Fabric) -> list[Account]:
    """The accounts of all processes, in their order."""
    accounts: list[Any] = [account] * fabric.world_size
    if fabric.world_size > 1:
        torch.distributed.all_gather_object(accounts, account)
    return accounts


@contextlib.contextmanager
def file_of_first(path: Path | None, fabric: Fabric) -> Iterator[Path | None]:
    """A file of the first process, in all processes: a copy, while the context is open, where it is another's.

    Args:
        path: The file, or None: there is none. Of other processes than the first one it is not looked at.
        fabric: Of the processes.
    """
    if fabric.is_global_zero:
        size = fabric.broadcast(0 if path is None else path.stat().st_size)
        if path is not None and fabric.world_size > 1:
            content = torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8).to(fabric.device)
            torch.distributed.broadcast(content, src=0)
        yield path
        return
    size = fabric.broadcast(0)
    if not size:
        yield None
        return
    content = torch.empty(size, dtype=torch.uint8, device=fabric.device)
    torch.distributed.broadcast(content, src=0)
    with tempfile.TemporaryDirectory(prefix="hoopoe-") as folder:
        copy = Path(folder) / "last.pt"
        copy.write_bytes(content.cpu().numpy().tobytes())
        del content
        yield copy


def share_weights(model: nn.Module, processes: int) -> None:
    """Give all processes the weights of the first one: what is drawn at random may differ between kinds of CPUs."""
    if processes > 1:
        for tensor in (*model.parameters(), *model.buffers()):
            torch.distributed.broadcast(tensor.data, src=0)
