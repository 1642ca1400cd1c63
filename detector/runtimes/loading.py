"""Parts of an export, each as the module that its runtime runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from backbones.errors import ConfigError
from detector.base.devices import Precision, chosen_precision
from detector.runtimes.manifest import ExportManifest, part_file
from detector.runtimes.part import Part

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Runner:
    """Where and how parts of an export run.

    Attributes:
        folder: The export.
        manifest: What it says of itself.
        device: Where the parts run.
        precision: What is computed in where it is not in 8 bits.
    """

    folder: Path
    manifest: ExportManifest
    device: torch.device
    precision: Precision

    @classmethod
    def chosen(
        cls, folder: Path, manifest: ExportManifest, device: torch.device | str | None, precision: str | None
    ) -> Runner:
        """What was asked for, and by default what the export was made for, as far as this machine can.

        Raises:
            ConfigError: The runtime does not run there, or not so.
        """
        place = CPU if device is None else torch.device(device)
        able = {"openvino": ("cpu", "xpu"), "onnx": ("cpu",)}.get(manifest.runtime, (place.type,))
        if place.type not in able:
            problem = f"an export for {manifest.runtime} does not run on {place}"
            raise ConfigError(problem, where=folder, hint="use --device cpu, or the model that it was made from")
        if manifest.runtime != "openvino":
            fixed: Precision = "bf16" if manifest.precision == "bf16" else "fp32"
            if precision not in (None, "auto", fixed):
                problem = f"this export computes in {fixed}, not in {precision}"
                raise ConfigError(problem, where=folder, hint="leave --precision out, or export the model again")
            return cls(folder, manifest, place, fixed)
        if precision in ("fp32", "bf16"):
            return cls(folder, manifest, place, precision)  # type: ignore[arg-type]
        able_bf16 = chosen_precision("auto", CPU) if manifest.precision != "fp32" else "fp32"
        return cls(folder, manifest, place, able_bf16)

    def part(self, name: str) -> Part:
        """A part by its name.

        Raises:
            CheckpointError: It is missing, or damaged.
            ConfigError: Its runtime is not installed.
        """
        file = part_file(self.folder, self.manifest, name)
        if self.manifest.runtime == "openvino":
            from detector.runtimes.openvino_part import OpenVINOPart

            return OpenVINOPart(file, self.precision, self.device)
        if self.manifest.runtime == "onnx":
            from detector.runtimes.onnx_part import OnnxPart

            return OnnxPart(file)
        from detector.runtimes.aot_part import AotPart

        return AotPart(file, self.device)

    @property
    def label(self) -> str:
        """In words: openvino int8 ..."""
        beside = "+bf16" if self.manifest.precision == "int8" and self.precision == "bf16" else ""
        shown = self.manifest.precision if self.manifest.precision == "int8" else self.precision
        return f"{self.manifest.runtime} {shown}{beside}"
