"""`export-model` without its command line: a model into a folder for another runtime."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from backbones.errors import ConfigError, HoopoeError
from detector.base.content_hash import sha256_of
from detector.base.version import __version__
from detector.conversion.cutting import Cut, cut, whole
from detector.conversion.writing import openvino_model, write_aot, write_onnx, write_openvino
from detector.models.detector import Detector
from detector.runtimes.manifest import (
    EXPORT_FILE,
    ExportManifest,
    ExportPrecision,
    Part,
    RuntimeName,
    Source,
    read_manifest,
)
from detector.runtimes.part import runtime_module
from detector.species.classifier import SpeciesClassifier
from detector.store.scratch import scratch_folder

WHOLE = "detector"  # a part for other programs: the network with its boxes
Model = Detector | SpeciesClassifier
PRECISIONS: Mapping[RuntimeName, tuple[ExportPrecision, ...]] = {
    "openvino": ("fp32", "bf16", "int8"),
    "onnx": ("fp32",),
    "aot": ("fp32", "bf16"),
}


@dataclass(frozen=True)
class Target:
    """What a model is exported to.

    Attributes:
        runtime: Which runtime.
        precision: What it computes in.
        device: For `aot`: the device that it is compiled for.
    """

    runtime: RuntimeName = "openvino"
    precision: ExportPrecision = "fp32"
    device: str = "cpu"

    def __post_init__(self) -> None:
        able = PRECISIONS[self.runtime]
        if self.precision not in able:
            problem = f"{self.runtime} exports are {' or '.join(able)}, not {self.precision}"
            raise ConfigError(problem, where="--precision", hint="int8 is for openvino")


def export_plain(model: Model, output: Path, target: Target) -> ExportManifest:
    """Write a model into a folder, in float32 or bfloat16; whole or not at all.

    Raises:
        ConfigError: The folder holds something else, or the runtime is not installed.
        HoopoeError: The runtime cannot take the model.
    """
    if target.runtime == "aot" and isinstance(model, Detector):
        problem = "aot takes classifiers: torch's compiler needs fixed sizes for a detector"
        raise ConfigError(problem, where="--format", hint="use openvino, or run the detector as it is")
    with new_export(output) as folder:
        files = {name: written(each, folder.path, name, target) for name, each in cut(model).items()}
        if target.runtime == "onnx" and isinstance(model, Detector) and model.meta.config.detector == "retinanet":
            files[WHOLE] = write_onnx(whole(model), folder.path, WHOLE)
        return folder.finish(described(model, target, folder.path, files))


def written(part: Cut, folder: Path, name: str, target: Target) -> tuple[str, ...]:
    """The files of a part, now in the folder."""
    if target.runtime == "openvino":
        return write_openvino(openvino_model(part), folder, name)
    if target.runtime == "onnx":
        return write_onnx(part, folder, name)
    precision = "bf16" if target.precision == "bf16" else "fp32"
    return write_aot(part, folder, name, torch.device(target.device), precision)  # type: ignore[arg-type]


def described(
    model: Model,
    target: Target,
    folder: Path,
    files: Mapping[str, tuple[str, ...]],
    agreement: Mapping[str, Any] | None = None,
) -> ExportManifest:
    """What the folder is to say of itself."""
    return ExportManifest(
        kind="detector" if isinstance(model, Detector) else "classifier",
        runtime=target.runtime,
        precision=target.precision,
        source=Source(name=model.name, sha256=model.sha256),
        parts={name: Part(files={each: sha256_of(folder / each) for each in some}) for name, some in files.items()},
        model=_model_entries(model),
        agreement=dict(agreement or {}),
        versions={"hoopoe": __version__, "torch": torch.__version__, **_runtime_version(target)},
    )


def _model_entries(model: Model) -> dict[str, Any]:
    if isinstance(model, Detector):
        return model.meta.config.model_dump(mode="json")
    return {
        "class_names": list(model.class_names),
        "size_hw": list(model.size_hw),
        "mean": list(model.mean),
        "std": list(model.std),
        "embedding_size": model.net.embedding_size,
    }


def _runtime_version(target: Target) -> dict[str, str]:
    if target.runtime == "aot":
        return {"device": target.device}
    name = {"openvino": "openvino", "onnx": "onnx"}[target.runtime]
    return {name: str(runtime_module(name).__version__)}


class new_export:
    """A folder that is made beside its place, and renamed into it when it is whole.

    Args:
        output: Its place: nothing, an empty folder, or an export, which is replaced.

    Raises:
        ConfigError: There is something else.
    """

    def __init__(self, output: Path) -> None:
        self.output, self._scratch = output, ExitStack()
        if output.exists() and not output.is_dir():
            raise ConfigError("this is a file, not a folder", where=output, hint="--output takes a folder")
        if output.is_dir() and (strangers := _strangers(output)):
            problem = f"the folder holds something else ({strangers[0]})"
            raise ConfigError(problem, where=output, hint="choose another --output")

    def __enter__(self) -> new_export:
        parent = self.output.absolute().parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            self.path = self._scratch.enter_context(scratch_folder(parent, ".export-")) / self.output.name
            self.path.mkdir()
        except OSError as error:
            problem = f"nothing can be written there ({error.strerror})"
            raise ConfigError(problem, where=self.output, hint="choose another --output") from error
        return self

    def finish(self, manifest: ExportManifest) -> ExportManifest:
        """Write what the folder says of itself, and put it into its place."""
        manifest.write(self.path)
        if self.output.is_dir():
            shutil.rmtree(self.output)
        os.replace(self.path, self.output)
        return manifest

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._scratch.close()
        if isinstance(error, OSError):
            problem = f"the export cannot be written ({error.strerror})"
            raise HoopoeError(problem, where=self.output, hint="look at the disk") from error


def _strangers(folder: Path) -> list[str]:
    """What a folder holds beside an export that may be replaced."""
    known: set[str] = set()
    if (folder / EXPORT_FILE).is_file():
        known = {EXPORT_FILE, *(file for part in read_manifest(folder).parts.values() for file in part.files)}
    return sorted(each.name for each in folder.iterdir() if each.name not in known)
