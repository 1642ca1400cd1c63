"""Parts of an export, each as the module that its runtime runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from backbones.errors import CheckpointError, ConfigError
from detector.base.devices import Precision, chosen_device, chosen_precision
from detector.runtimes.manifest import ExportManifest, part_file
from detector.runtimes.part import Part

CPU = torch.device("cpu")
FOREIGN = "foreign"  # the part that another program's detector is
TRUSTED = "HOOPOE_TRUSTED_EXPORTS"  # environment: folders whose machine code may run, as PATH has them


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
        made_for = manifest.versions.get("device", "cpu") if manifest.runtime == "aot" else "cpu"
        asked = made_for if device is None or str(device) == "auto" else str(device)
        place = torch.device(asked) if asked in ("xpu", "xpu:0") else chosen_device(asked)  # OpenVINO has its own xpu
        able = {"openvino": ("cpu", "xpu"), "onnx": ("cpu",)}.get(manifest.runtime, (made_for.partition(":")[0],))
        if place.type not in able:
            problem = f"an export for {manifest.runtime} does not run on {place}"
            raise ConfigError(problem, where=folder, hint=f"use --device {able[0]}, or the model that it was made from")
        if (
            manifest.runtime != "openvino" or FOREIGN in manifest.parts
        ):  # of which pixels in bfloat16 are some pixels off
            fixed: Precision = "bf16" if manifest.precision == "bf16" else "fp32"
            if precision not in (None, "auto", fixed):
                problem = f"this export computes in {fixed}, not in {precision}"
                raise ConfigError(problem, where=folder, hint="leave --precision out, or export the model again")
            return cls(folder, manifest, place, fixed)
        if precision == "fp16":
            raise ConfigError("OpenVINO computes in fp32 or bf16 here", where="precision", hint="leave --precision out")
        if precision in ("fp32", "bf16"):
            return cls(folder, manifest, place, precision)  # type: ignore[arg-type]
        able_bf16 = chosen_precision("auto", CPU) if manifest.precision != "fp32" else "fp32"
        return cls(folder, manifest, place, able_bf16)

    def part(self, name: str, widths: Sequence[int] | None) -> Part:
        """A part by its name.

        Args:
            name: Of the part.
            widths: Channels that each of its outputs is to have; None: its user looks at them.

        Raises:
            CheckpointError: It is missing, damaged, or machine code that nobody has said to be trusted.
            ConfigError: Its runtime is not installed.
        """
        part = self._part(name)
        part.widths, part.file = None if widths is None else tuple(widths), self.folder / name
        return part

    def _part(self, name: str) -> Part:
        if self.manifest.runtime == "aot":
            refuse_untrusted(self.folder)
        file = part_file(self.folder, self.manifest, name)
        if self.manifest.runtime == "openvino":
            from detector.runtimes.openvino_part import OpenVINOPart

            exact = self.precision == "fp32" and self.manifest.precision != "int8"
            return OpenVINOPart(file, self.precision, self.device, exact=exact)
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


def refuse_untrusted(folder: Path) -> None:
    """Refuse machine code unless its folder is named as trusted: its hashes lie in the folder too, and prove nothing.

    Raises:
        CheckpointError: Nobody has named it.
    """
    trusted = [Path(each).expanduser().resolve() for each in os.environ.get(TRUSTED, "").split(os.pathsep) if each]
    if folder.resolve() not in trusted:
        problem = "this export is machine code, which does whatever its maker wanted as soon as it is loaded"
        raise CheckpointError(problem, where=folder, hint=f"if you made it yourself: {TRUSTED}={folder.resolve()}")
