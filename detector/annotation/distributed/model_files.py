"""Models as all machines of a cluster find them: by path or published name, and by the hash of what is there."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from backbones.errors import ConfigError
from detector.annotation.request import Models
from detector.base.devices import Asked
from detector.species.classifier import SpeciesClassifier, load_classifier


@dataclass(frozen=True)
class ModelFile:
    """A model as all machines find it.

    Attributes:
        what: A word for it.
        source: Its path, or its published name.
        sha256: Of it, in hexadecimal.
    """

    what: str
    source: str
    sha256: str | None

    @classmethod
    def of(cls, what: str, name: str, source: str | None, sha256: str | None) -> ModelFile:
        """The file of a model that is loaded here.

        Raises:
            ConfigError: It is in no file.
        """
        if source is None:
            raise ConfigError(f"the {what} is in no file that workers could load", where=name, hint="save it first")
        return cls(what, source, sha256)

    def check(self, sha256: str | None) -> None:
        """Refuse another model than the one that the run began with.

        Raises:
            ConfigError: It is another.
        """
        if self.sha256 is not None and sha256 != self.sha256:
            problem = f"{platform.node()} finds another {self.what} at this path than the machine where the run began"
            raise ConfigError(problem, where=self.source, hint="copy the same file to all machines")


@dataclass(frozen=True)
class ModelFiles:
    """The models of a run as workers load them.

    Attributes:
        detector: The detector; None: boxes are known.
        species: The classifier, if there is one.
        first_pass: The detector that looks first, if there is one.
        device: Where they run; None: a GPU where there is one.
        precision: Theirs.
    """

    detector: ModelFile | None
    species: ModelFile | None = None
    first_pass: ModelFile | None = None
    device: str | None = None
    precision: Asked = "auto"

    @classmethod
    def of(cls, models: Models, device: str | None, precision: Asked) -> ModelFiles:
        """The files of models that are loaded here."""
        detector, species, first = models.detector, models.species, models.first_pass
        return cls(
            ModelFile.of("detector", detector.name, detector.source, detector.sha256),
            None if species is None else ModelFile.of("classifier", species.name, species.source, species.sha256),
            None if first is None else ModelFile.of("first pass", first.name, first.source, first.sha256),
            device,
            precision,
        )

    def load(self) -> Models:
        """The models, here."""
        assert self.detector is not None
        models = Models.of(
            self.detector.source,
            None if self.species is None else self.species.source,
            self.device,
            self.precision,
            None if self.first_pass is None else self.first_pass.source,
        )
        for file, model in (
            (self.detector, models.detector),
            (self.species, models.species),
            (self.first_pass, models.first_pass),
        ):
            if file is not None and model is not None:
                file.check(model.sha256)
        return models

    def load_species(self) -> SpeciesClassifier:
        """The classifier, here."""
        assert self.species is not None
        species = load_classifier(self.species.source, self.device, self.precision)
        self.species.check(species.sha256)
        return species
