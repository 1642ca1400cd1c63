"""A foreign detector in a folder of `--speed fast`: its network in OpenVINO, and how its ONNX file says to read it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from backbones.errors import CheckpointError
from detector.base.content_hash import sha256_of
from detector.models.detector import Detector, DetectorMeta
from detector.models.onnx.categories import Categories
from detector.models.onnx.description import Conventions
from detector.models.onnx.layouts import BY_NUMBER, SEVERAL, Layout
from detector.models.onnx.network import OnnxConfig, OnnxNet
from detector.models.onnx.session import ImageInput
from detector.runtimes.loading import FOREIGN, Runner
from detector.runtimes.manifest import EXPORT_FILE, ExportManifest
from detector.runtimes.part import Part

_TYPES: dict[str, Any] = {"float32": np.float32, "uint8": np.uint8}
Size = Annotated[int, Field(ge=1, le=16_384)] | None


class ForeignEntries(BaseModel):
    """What an export says of a foreign detector: all that `load_onnx` once read in its file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: Layout
    how: Conventions
    categories: Annotated[tuple[str, ...], Field(min_length=1, max_length=100_000)]
    of_class: Annotated[tuple[Annotated[int, Field(ge=-1)], ...], Field(max_length=100_000)]
    config: OnnxConfig
    stride: Annotated[int, Field(ge=1, le=1024)] | None
    input: Annotated[tuple[Size, ...], Field(min_length=4, max_length=4)]
    dtype: Literal["float32", "uint8"]
    outputs: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _together(self) -> ForeignEntries:
        if max(self.of_class, default=-1) >= len(self.categories):
            raise ValueError("a class is of a category that has no name")
        told, form = self.layout, self.layout.form
        if len(told.outputs) != SEVERAL.get(form, 1) or (told.classes is None) != (form in BY_NUMBER):
            raise ValueError("its outputs are not those of their form")
        if not set(told.outputs) <= set(self.outputs) or self.config.categories != self.categories:
            raise ValueError("outputs or categories do not belong together")
        return self

    @classmethod
    def of(cls, net: OnnxNet) -> ForeignEntries:
        """What is to be said of a network."""
        session = net.session
        return cls(
            layout=net.layout,
            how=net.how,
            categories=net.categories.names,
            of_class=tuple(net.categories.of_class.tolist()),
            config=net.config,
            stride=net.stride,
            input=session.input.shape,
            dtype="uint8" if session.input.dtype is np.uint8 else "float32",
            outputs=session.outputs,
        )

    def network(self, part: Part, folder: Path) -> OnnxNet:
        """The network around its part."""
        session = PartSession(part, folder, self)
        categories = Categories(self.categories, np.array(self.of_class, np.int64))
        return OnnxNet(session, self.layout, self.how, categories, self.config, self.stride).eval()


class PartSession:
    """In place of an ONNX file's session: a part that another runtime runs.

    Args:
        part: Pictures (B, 3, H, W) -> the outputs.
        file: The export, for errors.
        said: What it says of itself.
    """

    def __init__(self, part: Part, file: Path, said: ForeignEntries) -> None:
        self.part, self.file, self.outputs = part, file, said.outputs
        self.input = ImageInput("images", _TYPES[said.dtype], said.input)

    def run(self, pictures: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Outputs by name, float32, of pictures (B, 3, H, W) that are normalised.

        Raises:
            CheckpointError: The network is not the one that the export tells of.
        """
        found = self.part(torch.from_numpy(np.ascontiguousarray(pictures)))
        if len(found) != len(self.outputs):
            problem = f"its network gives {len(found)} outputs, and it says {len(self.outputs)}"
            raise CheckpointError(problem, where=self.file, hint="export the model again")
        return {name: np.asarray(each.float()) for name, each in zip(self.outputs, found, strict=True)}


def load_foreign(folder: Path, manifest: ExportManifest, runner: Runner) -> Detector:
    """The foreign detector of an export.

    Raises:
        CheckpointError: It is damaged.
    """
    try:
        said = ForeignEntries.model_validate(manifest.model)
    except ValidationError as error:
        problem = f"the detector cannot be built ({error.errors()[0]['msg'][:120]})"
        raise CheckpointError(problem, where=folder / EXPORT_FILE, hint="export the model again") from error
    net = said.network(runner.part(FOREIGN, None), folder)
    meta = DetectorMeta(said.config, metrics=manifest.agreement, versions=manifest.versions)
    sha256 = sha256_of(folder / EXPORT_FILE)
    return Detector(net, meta, folder.name, sha256, "fp32", str(folder.absolute()), runner.label)
