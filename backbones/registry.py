"""The networks by name."""

import difflib
from fnmatch import fnmatch
from typing import Any

from backbones import biformer, davit
from backbones.architecture import check_architecture
from backbones.base import Backbone
from backbones.errors import ConfigError

_FAMILIES: tuple[tuple[type[Backbone], dict[str, dict[str, Any]]], ...] = (
    (biformer.BiFormer, biformer.VARIANTS),
    (davit.DaViT, davit.VARIANTS),
)


def list_models(pattern: str = "*") -> list[str]:
    """Names for `create_model` that match a shell pattern, sorted."""
    return sorted(name for _, variants in _FAMILIES for name in variants if fnmatch(name, pattern))


def get_config(name: str) -> dict[str, Any]:
    """A copy of the architecture of a variant, with birder's keys.

    Raises:
        ConfigError: There is no such network.
    """
    return dict(_find(name)[1])


def create_model(
    name: str,
    num_classes: int = 1000,
    *,
    input_size: tuple[int, int] = (384, 384),
    in_channels: int = 3,
    drop_path_rate: float | None = None,
    config: dict[str, Any] | None = None,
) -> Backbone:
    """Build a network with random weights.

    Args:
        name: One of `list_models()`.
        num_classes: Outputs of the classifier; 0 for none.
        input_size: Height and width of the images that it is trained or was trained at, pixels. DaViT derives its
            window from it; afterwards any size from 32 x 32 will do.
        in_channels: Channels of the input image.
        drop_path_rate: Stochastic depth of the last block; the variant's own by default.
        config: Entries of the variant's architecture to replace.

    Raises:
        ConfigError: There is no such network, or the input size is too small.
    """
    family, variant = _find(name)
    if min(input_size) < 32:
        raise ConfigError(f"input size {input_size} is below 32 x 32 pixels", where=name)
    check_architecture(config or {}, where=name)
    settings = dict(variant) | (config or {})
    unknown = sorted(settings.keys() - variant.keys() - {"window_size"})
    if unknown:
        raise ConfigError(
            f"its config knows no {', '.join(unknown)}", where=name, hint=f"it knows {', '.join(variant)}"
        )
    if drop_path_rate is not None:
        settings["drop_path_rate"] = drop_path_rate
    check_architecture(settings, where=name)  # together, entries of both may not fit
    return family(name, num_classes, input_size, in_channels, settings)


def _find(name: str) -> tuple[type[Backbone], dict[str, Any]]:
    for family, variants in _FAMILIES:
        if name in variants:
            return family, variants[name]
    near = difflib.get_close_matches(name, list_models(), n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(list_models())}"
    raise ConfigError(f"there is no network named {name!r}", hint=hint)
