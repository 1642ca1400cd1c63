"""Loading and saving networks with their weights: a published name or a file in, a network with its classes out."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from backbones import registry
from backbones.checkpoints import (
    Checkpoint,
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
