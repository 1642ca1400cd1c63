"""The species classifier: crops in, logits out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

import backbones
from backbones.checkpoints import get_channels_from_signature
from backbones.errors import CheckpointError
from backbones.hub import PUBLISHED
from backbones.inference.classification import evaluating
from backbones.pretrained import PretrainedModel
from detector.base.content_hash import sha256_of
from detector.base.devices import Asked, Precision, chosen_device, chosen_precision, computing, device_of
from detector.runtimes.loading import Runner
from detector.runtimes.manifest import EXPORT_FILE, is_export, read_manifest
from detector.runtimes.stand_ins import PartClassifier

if TYPE_CHECKING:
    from backbones.base import Backbone

BATCH_SIZE = 64  # crops in one pass through the network
CLASSIFIER = "classifier"  # name of its part in an export


@dataclass(frozen=True, eq=False)
class Logits:
    """What the classifier says about N crops.

    Attributes:
        logits: float32 (N, classes).
        embeddings: float32 (N, dimensions), where they were asked for.
    """

    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32] | None


def load_classifier(
    source: str | Path, device: torch.device | str | None = None, precision: Asked = "auto"
) -> SpeciesClassifier:
    """A classifier on a GPU where there is one; an export where its runtime runs. See `SpeciesClassifier.load`."""
    place = device if is_export(source) else chosen_device(device)
    return SpeciesClassifier.load(source, place, precision)


class ExportedClasses(BaseModel):
    """What an export says of a classifier."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    class_names: Annotated[tuple[str, ...], Field(min_length=1, max_length=100_000)]
    size_hw: tuple[Annotated[int, Field(ge=32, le=4096)], Annotated[int, Field(ge=32, le=4096)]]
    mean: tuple[float, float, float]
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat]
    embedding_size: Annotated[int, Field(ge=1, le=100_000)]


@dataclass(frozen=True, eq=False)
class SpeciesClassifier:
    """A classifier with what its users need to know; see `load`.

    Attributes:
        name: The published name, or the file's.
        sha256: Of the file of weights, in hexadecimal.
        class_names: In the order of the logits.
        size_hw: Height and width of the crops that it sees, pixels.
        mean: Of each channel, for pixels in 0..1.
        std: Of each channel, for pixels in 0..1.
        precision: "bf16" runs convolutions and matrix products in bfloat16; logits stay float32.
        net: The network, in evaluation mode.
        source: Where it was loaded from: its file, or its published name; None where it is in no file.
        runtime: What runs it: "torch", or for an export such as "openvino int8+bf16".
    """

    name: str
    sha256: str
    class_names: tuple[str, ...]
    size_hw: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    precision: Precision
    net: Backbone | PartClassifier
    source: str | None = None
    runtime: str = "torch"

    @classmethod
    def load(
        cls, source: str | Path, device: torch.device | str | None = None, precision: Asked = "fp32"
    ) -> SpeciesClassifier:
        """Load a classifier.

        Args:
            source: A published name, the path of a `.pt` or `.safetensors` file in birder's format, or a folder of
                `export-model`.
            device: Where it runs; by default the CPU.
            precision: See the class; "auto": bf16 where the device computes in it.

        Raises:
            CheckpointError: The file cannot be used, or is not a classifier of RGB images.
            DownloadError: The published file cannot be fetched, or is not the published one.
            ConfigError: No weights of this name are published.
        """
        if is_export(source):
            return _exported(Path(source).expanduser(), device, precision)
        place = torch.device("cpu" if device is None else device)
        loaded = backbones.load_pretrained_model(source, inference=True, device=place)
        net, _, signature, rgb_stats = loaded
        published = isinstance(source, str) and source in PUBLISHED
        path = Path(source).expanduser()
        red, green, blue = rgb_stats["mean"]
        red_std, green_std, blue_std = rgb_stats["std"]
        return cls(
            name=str(source) if published else path.name,
            sha256=PUBLISHED[str(source)].sha256 if published else sha256_of(path),  # loading has checked a download's
            class_names=class_names_of(loaded, source),
            size_hw=backbones.get_size_from_signature(signature),
            mean=(red, green, blue),
            std=(red_std, green_std, blue_std),
            precision=chosen_precision(precision, place),
            net=net,
            source=str(source) if published else str(path.absolute()),
        )

    def logits(self, crops: NDArray[np.uint8], return_embedding: bool = False, batch_size: int = BATCH_SIZE) -> Logits:
        """Classify crops, a batch at a time.

        Args:
            crops: RGB, (N, *size_hw, 3), as from `cut_crops`; N may be 0.
            return_embedding: Return embeddings too.
            batch_size: Crops in one pass.

        Raises:
            ValueError: The crops are not of the classifier's size.
        """
        if crops.shape[1:] != (*self.size_hw, 3) or crops.dtype != np.uint8:
            raise ValueError(f"crops must be uint8 (N, {self.size_hw[0]}, {self.size_hw[1]}, 3), not {crops.shape}")
        outputs = np.empty((len(crops), self.net.num_classes), np.float32)
        embeddings = np.empty((len(crops), self.net.embedding_size), np.float32) if return_embedding else None
        device = device_of(self.net)
        mean = torch.tensor(self.mean, device=device)[:, None, None]
        std = torch.tensor(self.std, device=device)[:, None, None]
        with evaluating(self.net), computing(device, self.precision):
            for start in range(0, len(crops), batch_size):
                part = slice(start, start + batch_size)
                pixels = torch.from_numpy(np.ascontiguousarray(crops[part])).to(device).permute(0, 3, 1, 2)
                embedding = self.net.embedding((pixels.contiguous().float() / 255 - mean) / std)
                outputs[part] = self.net.classifier(embedding).float().cpu().numpy()
                if embeddings is not None:
                    embeddings[part] = embedding.float().cpu().numpy()
        return Logits(outputs, embeddings)


def class_names_of(loaded: PretrainedModel, source: str | Path) -> tuple[str, ...]:
    """The names of a classifier's outputs, in their order.

    Raises:
        CheckpointError: It does not take RGB images, or an output has no name.
    """
    if get_channels_from_signature(loaded.signature) != 3:
        raise CheckpointError("the classifier does not take RGB images", where=source, hint="choose another one")
    class_to_idx, outputs = loaded.class_to_idx, loaded.net.num_classes
    if sorted(class_to_idx.values()) != list(range(outputs)):
        problem = f"{len(class_to_idx)} classes have names, but there are {outputs} outputs"
        raise CheckpointError(problem, where=source, hint="save it again with a name for every output")
    return tuple(sorted(class_to_idx, key=class_to_idx.__getitem__))


def _exported(folder: Path, device: torch.device | str | None, precision: Asked) -> SpeciesClassifier:
    """The classifier of an export."""
    manifest = read_manifest(folder)
    if manifest.kind != "classifier":
        problem = "this is an exported detector, not a classifier"
        raise CheckpointError(problem, where=folder, hint="it finds birds; give it as --detector")
    try:
        said = ExportedClasses.model_validate(manifest.model)
    except ValidationError as error:
        problem = f"this is no export of a classifier ({error.errors()[0]['msg'][:120]})"
        raise CheckpointError(problem, where=folder / EXPORT_FILE, hint="export the model again") from error
    runner = Runner.chosen(folder, manifest, device, precision)
    part = runner.part(CLASSIFIER, (said.embedding_size, len(said.class_names)))
    return SpeciesClassifier(
        name=folder.name,
        sha256=sha256_of(folder / EXPORT_FILE),
        class_names=said.class_names,
        size_hw=said.size_hw,
        mean=said.mean,
        std=said.std,
        precision="fp32",
        net=PartClassifier(part, len(said.class_names), said.embedding_size).eval(),
        source=str(folder.absolute()),
        runtime=runner.label,
    )
