"""A classifier where a detector is wanted, and the reverse: said with advice for the command at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from backbones.errors import CheckpointError

DETECTORS = "a detector: a run of `hoopoe train`, an .onnx file, or coco"
CLASSIFIERS = "a classifier: a published one such as davit_tiny_il-all, or a file"


def check_detector(option: str, source: str | Path | None, otherwise: str) -> None:
    """Refuse what is a classifier, before anything is loaded.

    Args:
        option: That was given it.
        source: The name or path; None: none was given.
        otherwise: What a classifier can be used for here, in words.

    Raises:
        CheckpointError: It is one.
    """
    if source is not None and model_kind(source) == "classifier":
        problem, hint = "this is a classifier: it names birds, and finds none", f"{option} takes {DETECTORS}"
        raise CheckpointError(problem, where=source, hint=f"{hint}; {otherwise}")


def check_classifier(option: str, source: str | Path | None, otherwise: str) -> None:
    """Refuse what is a detector; see `check_detector`."""
    if source is not None and model_kind(source) == "detector":
        problem, hint = "this is a detector: it finds birds, and names no crops", f"{option} takes {CLASSIFIERS}"
        raise CheckpointError(problem, where=source, hint=f"{hint}; {otherwise}")


def model_kind(source: str | Path | None) -> Literal["detector", "classifier"] | None:
    """What a name or a file of weights is, as far as it says so itself."""
    if source is None:
        return None
    from backbones.hub import PUBLISHED
    from backbones.tensor_files import first_bytes, is_safetensors
    from detector.models.coco import BUILT_IN
    from detector.models.saving import BEST, FORMAT
    from detector.runtimes.manifest import is_export, read_manifest

    if source in PUBLISHED:
        return "classifier"
    path = Path(source).expanduser()
    if is_export(path):
        return read_manifest(path).kind
    if source in BUILT_IN or (path / BEST).is_file():
        return "detector"
    if not path.is_file() or not is_safetensors(first_bytes(path)):
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except SafetensorError:
        return None  # whoever loads it says what is wrong
    if metadata.get("format", "").startswith(FORMAT.rstrip("0123456789")):
        return "detector"
    return "classifier" if "classification" in metadata.get("task", "") else None
