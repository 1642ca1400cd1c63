"""Bird classifiers as backbones: BiFormer and DaViT, their published weights, and classification.

Everything below is imported on first use, so that `import backbones` itself costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backbones.base import Backbone as Backbone
    from backbones.inference.classification import classification_transform as classification_transform
    from backbones.inference.classification import classify as classify
    from backbones.inference.classification import infer_image as infer_image
    from backbones.pretrained import download as download
    from backbones.pretrained import get_channels_from_signature as get_channels_from_signature
    from backbones.pretrained import get_size_from_signature as get_size_from_signature
    from backbones.pretrained import list_pretrained_models as list_pretrained_models
    from backbones.pretrained import load_pretrained_model as load_pretrained_model
    from backbones.pretrained import save_pretrained as save_pretrained
    from backbones.registry import create_model as create_model
    from backbones.registry import list_models as list_models

_MODULES = {
    "Backbone": "base",
    "classification_transform": "inference.classification",
    "classify": "inference.classification",
    "infer_image": "inference.classification",
    "download": "pretrained",
    "get_channels_from_signature": "pretrained",
    "get_size_from_signature": "pretrained",
    "list_pretrained_models": "pretrained",
    "load_pretrained_model": "pretrained",
    "save_pretrained": "pretrained",
    "create_model": "registry",
    "list_models": "registry",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'backbones' has no attribute {name!r}")
    return getattr(import_module(f"backbones.{_MODULES[name]}"), name)
