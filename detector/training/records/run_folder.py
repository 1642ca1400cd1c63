"""The folder of a run: where its files are, and those that are written once."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from backbones.errors import ConfigError, HoopoeError
from detector.base.files import write_bytes
from detector.base.json_text import parse_json
from detector.base.objects.address import Place, place_of
from detector.base.version import __version__
from detector.config import dump_config
from detector.training.config import Config

PACKAGES = ("torch", "torchvision", "lightning-fabric", "numpy", "opencv-python-headless", "albumentations")


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run's files."""

    root: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.root / "config.yaml"

    @property
    def last(self) -> Path:
        """The checkpoint to go on from."""
        return self.root / "checkpoints" / "last.pt"

    @property
    def best(self) -> Path:
        """The detector to use."""
        return self.root / "best.safetensors"

    @property
    def metrics(self) -> Path:
        """Losses and figures, a line each."""
        return self.root / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's files."""
        return self.root / "tensorboard"

    @property
    def plots(self) -> Path:
        """Curves and example pictures."""
        return self.root / "plots"

    def data_files(self) -> dict[str, list[tuple[Place, Place]]]:
        """Annotations and images that the run was started with, by set: train, val; negatives have images alone.

        Raises:
            ConfigError: There is no run here, or its data.json does not say.
        """
        path = self.root / "data.json"
        if not self.config.exists() or not path.exists():
            hint = "check its path; of several machines the first one has it, give the others the whole command"
            raise ConfigError("there is no run in this folder", where=self.root, hint=hint)
        try:
            content = parse_json(path)
            return {
                name: [(place_of(each["annotations"]), place_of(each["images"])) for each in content[name]["files"]]
                for name in ("train", "val", "negatives")
                if name in content
            }
        except (KeyError, TypeError) as error:
            hint = "give its annotations and images again"
            raise ConfigError("it does not say what the run was trained on", where=path, hint=hint) from error

    def data_summary(self) -> dict[str, Any]:
        """What data.json says of the data that the run was started with; nothing where it cannot be read."""
        try:
            content = parse_json(self.root / "data.json")
        except (HoopoeError, OSError):
            return {}
        return content if isinstance(content, dict) else {}

    def processes(self) -> int | None:
        """The processes that the run had when it was last started; None: that is not known."""
        try:
            content = parse_json(self.root / "environment.json")
        except (HoopoeError, OSError):
            return None
        found = content.get("processes") if isinstance(content, dict) else None
        return found if isinstance(found, int) else None

    def refuse_existing(self) -> None:
        """Refuse to write over another run.

        Raises:
            ConfigError: The folder holds one, or is a file.
        """
        if self.root.exists() and not self.root.is_dir():
            raise ConfigError("this is a file, not a folder", where=self.root, hint="give another output folder")
        if self.config.exists() or self.last.exists():
            hint = "resume it, or give another output folder"
            raise ConfigError("there already is a run in this folder", where=self.root, hint=hint)

    def start(self, config: Config, data: Mapping[str, Any], devices: Mapping[str, Any]) -> None:
        """Write what is known before the first step: configuration, environment, data."""
        write_bytes(self.config, dump_config(config).encode())
        write_bytes(self.root / "environment.json", _json(environment() | dict(devices)))
        write_bytes(self.root / "data.json", _json(data))


def environment() -> dict[str, Any]:
    """Where and with what a run takes place."""
    versions = {"hoopoe": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "absent"
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "platform": platform.platform(),
        "host": platform.node(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "cuda": torch.version.cuda,
        "versions": versions,
    }


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
