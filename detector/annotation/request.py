"""What a run is asked to do: which cards go into which store, what it sees in them, and how it goes about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from backbones.errors import ConfigError
from detector.annotation.forecast import Forecast
from detector.annotation.listing.shard import ListShard
from detector.annotation.options import SeeingOptions, WorkOptions
from detector.annotation.readers import Readers
from detector.base.devices import Asked
from detector.base.objects.address import Place
from detector.cluster.options import ClusterOptions
from detector.cluster.work import Machines
from detector.models.detector import Detector
from detector.models.limits import with_proposals, with_score_threshold
from detector.models.saving import load_detector
from detector.species.classifier import SpeciesClassifier, load_classifier


@dataclass(frozen=True)
class AuditRequest:
    """How much of what was passed over the detector looks at afterwards.

    Attributes:
        pictures: Photos and frames of videos.
        score_threshold: The detector's score from which boxes count.
    """

    pictures: int
    score_threshold: float

    def __post_init__(self) -> None:
        if self.pictures < 1:
            raise ConfigError("at least 1 picture is needed", where="audit", hint="such as 300")


@dataclass(frozen=True)
class AnnotateRequest:
    """Cards that are to be annotated.

    Attributes:
        inputs: Files and folders, and addresses of objects.
        output: The store; what it holds already is not done again.
        seeing: What decides what is seen; None: as in the runs before.
        roots: Where known cards are now.
        audit: Look at some of what was passed over; None: do not.
        shard: The part of the files that is done; None: all.
        listed: A list of the files of the inputs to take (see `read_list`); None: all that are there.
    """

    inputs: Sequence[Place]
    output: Path
    seeing: SeeingOptions | None = None
    roots: Mapping[str, Place] = field(default_factory=dict)
    audit: AuditRequest | None = None
    shard: ListShard | None = None
    listed: Place | None = None


@dataclass(frozen=True, eq=False)
class Models:
    """The networks of a run; without a classifier birds stay unnamed, without a first pass the detector sees all."""

    detector: Detector
    species: SpeciesClassifier | None = None
    first_pass: Detector | None = None

    @classmethod
    def of(
        cls,
        detector: Detector | str | Path,
        species: SpeciesClassifier | str | Path | None = None,
        device: torch.device | str | None = None,
        precision: Asked | None = None,
        first_pass: Detector | str | Path | None = None,
    ) -> Models:
        """Models that are loaded, or are named.

        Args:
            detector: A detector, the path of one, or `coco`.
            species: A classifier, the path of one, or a published name.
            device: Where those run that are loaded now; by default a GPU where there is one.
            precision: Theirs; by default what suits the device.
            first_pass: A detector that looks first, likewise; None: there is none.

        Raises:
            HoopoeError: A model cannot be found or used, or there is no such device.
        """
        asked = precision or "auto"
        if not isinstance(detector, Detector):
            detector = load_detector(detector, device, asked)
        if isinstance(species, str | Path):
            species = load_classifier(species, device, asked)
        if isinstance(first_pass, str | Path):
            first_pass = load_detector(first_pass, device, asked)
        return cls(detector, species, first_pass)

    @property
    def device(self) -> torch.device:
        """Where the detector runs."""
        return self.detector.device


@dataclass(frozen=True)
class RunSettings:
    """How a run goes about its work: none of it changes what is seen.

    Attributes:
        work: How the work is spread; None: as suits the device.
        quiet: Show no progress.
        retry_failed: Try the files again that could not be read.
        readers: Reading processes to use; by default some are started, and ended afterwards.
        cluster: The machines that do it, by Ray; None: this process does.
        price_per_hour: Of one machine, in whatever currency; None: not known.
    """

    work: WorkOptions | None = None
    quiet: bool = False
    retry_failed: bool = False
    readers: Readers | None = None
    cluster: ClusterOptions | None = None
    price_per_hour: float | None = None

    def forecast(self, machines: Machines | None = None) -> Forecast | None:
        """Says what the rest takes, where that is asked for or machines of a cluster work."""
        return None if machines is None and self.price_per_hour is None else Forecast(self.price_per_hour, machines)

    def work_on(self, device: torch.device) -> WorkOptions:
        """How the work is spread where the networks run on this device."""
        return self.work or WorkOptions.chosen(device)


DEFAULT = RunSettings()


def limited(models: Models, seeing: SeeingOptions) -> Models:
    """The networks with the limits that a run asks for.

    Raises:
        ConfigError: A limit cannot be, or is of what a model has not.
    """
    if seeing.proposals is not None:
        models = replace(models, detector=with_proposals(models.detector, seeing.proposals))
    if models.first_pass is not None:
        first_pass = with_score_threshold(models.first_pass, seeing.first_pass_score)
        if seeing.first_pass_proposals is not None:
            first_pass = with_proposals(first_pass, seeing.first_pass_proposals)
        models = replace(models, first_pass=first_pass)
    elif seeing.first_pass_threshold is not None:
        raise ConfigError("there is no first pass", where="first_pass_threshold", hint="give a first pass, too")
    return models
