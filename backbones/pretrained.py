"""Loading and saving networks with their weights: a published name or a file in, a network with its classes out."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from backbones import registry
from backbones.checkpoints import (
    ClassifierCheckpoint,
    RGBStats,
    Signature,
    get_channels_from_signature,
    get_size_from_signature,
    make_signature,
    read_checkpoint,
    write_safetensors,
)
from backbones.errors import CheckpointError, ConfigError
from backbones.hub import PUBLISHED, download, find_published
from backbones.tensor_files import fitted

if TYPE_CHECKING:
    import torch

    from backbones.base import Backbone

__all__ = [
    "PretrainedModel",
    "download",
    "get_channels_from_signature",
    "get_size_from_signature",
    "list_pretrained_models",
    "load_pretrained_model",
    "save_pretrained",
]

MIN_AGREEMENT = 0.5  # of the tensors' names and shapes; below this it is another network altogether


class PretrainedModel(NamedTuple):
    """A network with what its users need to know; unpacks into four, as the published model cards do.

    Attributes:
        net: The network.
        class_to_idx: Index of each class in the network's output.
        signature: Shapes of inputs and outputs; see `get_size_from_signature`.
        rgb_stats: "mean" and "std" of each channel, for pixels in 0..1; see `classification_transform`.
    """

    net: Backbone
    class_to_idx: dict[str, int]
    signature: Signature
    rgb_stats: RGBStats


def list_pretrained_models(pattern: str | None = None) -> list[str]:
    """Return the names of the published weights, sorted; with a pattern such as `davit*`, those that match it."""
    return sorted(fnmatch.filter(PUBLISHED, pattern or "*"))


def load_pretrained_model(
    weights: str | Path,
    *,
    inference: bool = False,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> PretrainedModel:
    """Load a classifier with its weights.

    The network is recognised from the file's tensors; the file's name decides only where several fit equally. A
    `config` in the file (other depths, widths, window) is honoured. Tensors must fit exactly.

    Args:
        weights: A published name (see `list_pretrained_models`), fetched from the hub where it is not cached yet; or
            the path of a `.pt` or `.safetensors` file in birder's format.
        inference: Evaluation mode, and no gradients.
        device: Where the network goes; by default the CPU.
        dtype: Type of its parameters; by default float32.

    Raises:
        CheckpointError: The file cannot be used, or its tensors fit no network.
        DownloadError: The published file cannot be fetched, or is not the published one.
        ConfigError: No weights of this name are published.
    """
    import torch

    checkpoint, hint = _read(weights)
    net = _recognise(checkpoint, hint)
    state = fitted(checkpoint.state, net.state_dict(), checkpoint.path)
    net.load_state_dict(state, assign=True)  # in place of the meta tensors: no time goes into random weights
    net.to(device=device, dtype=dtype or torch.float32)
    net.train(not inference).requires_grad_(not inference)
    return PretrainedModel(net, checkpoint.class_to_idx, checkpoint.signature, checkpoint.rgb_stats)


def save_pretrained(
    path: str | Path,
    net: Backbone,
    *,
    class_to_idx: Mapping[str, int],
    rgb_stats: RGBStats,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Save a classifier as `.safetensors`, whole or not at all, for `load_pretrained_model` and for birder.

    Args:
        path: The file to write; its folder exists.
        net: The network.
        class_to_idx: Index of each class in the network's output.
        rgb_stats: "mean" and "std" of each channel that its inputs are normalised with.
        notes: Further entries of the file's metadata, for others to read.

    Raises:
        ConfigError: The path does not end in `.safetensors`.
        CheckpointError: Classes or statistics do not fit the network.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ConfigError("weights are saved as .safetensors", where=path, hint=f"name it {path.stem}.safetensors")
    signature = make_signature(net.num_classes, net.input_size, net.in_channels)
    write_safetensors(
        ClassifierCheckpoint(
            path,
            net.state_dict(),
            dict(class_to_idx),
            signature,
            dict(rgb_stats),
            net.config,
            net.name,
            notes or {},
        )
    )


def _read(weights: str | Path) -> tuple[ClassifierCheckpoint, str | None]:
    """The checkpoint, and the network that its name points to."""
    if isinstance(weights, str) and weights in PUBLISHED:
        return read_checkpoint(download(weights)), PUBLISHED[weights].network
    path = Path(weights).expanduser()
    if not path.suffix and len(path.parts) == 1 and not path.exists():
        find_published(str(weights))  # neither a path nor a name: says which names there are
    checkpoint = read_checkpoint(path)
    return checkpoint, checkpoint.network or _network_in(path.name)


def _network_in(filename: str) -> str | None:
    """The network in a file name such as `davit_tiny_il-all.pt`: birder's names begin with it."""
    named = [name for name in registry.list_models() if re.match(rf"{name}(?![a-z0-9])", filename)]
    return max(named, key=len, default=None)


def _recognise(checkpoint: ClassifierCheckpoint, hint: str | None) -> Backbone:
    """The network, on the meta device, whose tensors agree best with the checkpoint's in name and shape.

    Among equals, the one that the file's config changes least, then the hinted one.
    """
    import torch

    agreement: dict[Backbone, float] = {}
    refusals: list[CheckpointError] = []
    found = {(name, tensor.shape) for name, tensor in checkpoint.state.items()}
    for name in sorted(registry.list_models(), key=lambda name: (_changes(name, checkpoint), name != hint)):
        try:
            with torch.device("meta"):  # shapes without memory
                net = _build(name, checkpoint)
        except CheckpointError as error:  # the file's config is not of this family
            refusals.append(error)
            continue
        expected = set(_shapes(net).items())
        agreement[net] = len(found & expected) / len(found | expected)
        if agreement[net] == 1.0:
            return net
    if not agreement:
        raise refusals[0]
    best = max(agreement, key=lambda net: agreement[net])
    if agreement[best] < MIN_AGREEMENT:
        raise CheckpointError(
            f"its tensors are of no network that is known here (nearest: {best.name}, {agreement[best]:.0%} agree)",
            where=checkpoint.path,
            hint=f"give weights of one of {', '.join(registry.list_models())}",
        )
    return best


def _changes(name: str, checkpoint: ClassifierCheckpoint) -> int:
    """Number of entries in which the file's config differs from the registered one."""
    registered = registry.get_config(name)
    return sum(_plain(value) != _plain(registered.get(key)) for key, value in checkpoint.config.items())


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _build(name: str, checkpoint: ClassifierCheckpoint) -> Backbone:
    config = {key: value for key, value in checkpoint.config.items() if value is not None}
    unknown = config.keys() - registry.get_config(name).keys() - {"window_size"}
    if unknown:
        problem = f"its config has {', '.join(sorted(unknown))}, which {name} does not know"
        raise CheckpointError(problem, where=checkpoint.path, hint="load it with the software that wrote it")
    try:
        return registry.create_model(
            name,
            checkpoint.num_classes,
            input_size=get_size_from_signature(checkpoint.signature),
            in_channels=get_channels_from_signature(checkpoint.signature),
            config=config,
        )
    except (TypeError, ValueError, LookupError, ArithmeticError, RuntimeError) as error:
        problem = f"no {name} can be built with its config {config} and signature ({error})"
        raise CheckpointError(problem, where=checkpoint.path, hint="load it with the software that wrote it") from error


def _shapes(net: Backbone) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in net.state_dict().items()}
