"""Detectors: a backbone, a feature pyramid, and torchvision's Faster R-CNN or RetinaNet on top.

Everything below is imported on first use, so that reading a configuration does not load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detector.models.building import build_detector as build_detector
    from detector.models.config import ModelConfig as ModelConfig
    from detector.models.detector import Detector as Detector
    from detector.models.detector import DetectorMeta as DetectorMeta
    from detector.models.initialisation import init_from_detector as init_from_detector
    from detector.models.prediction import detect as detect
    from detector.models.prediction import detect_resized as detect_resized
    from detector.models.saving import load_detector as load_detector
    from detector.models.saving import save_detector as save_detector

_MODULES = {
    "build_detector": "building",
    "ModelConfig": "config",
    "init_from_detector": "initialisation",
    "Detector": "detector",
    "DetectorMeta": "detector",
    "detect": "prediction",
    "detect_resized": "prediction",
    "load_detector": "saving",
    "save_detector": "saving",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'detector.models' has no attribute {name!r}")
    return getattr(import_module(f"detector.models.{_MODULES[name]}"), name)
