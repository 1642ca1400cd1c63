"""From options to rules: the tables and files that decisions are made by, read and checked."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backbones.errors import ConfigError
from detector.base.tables.reader import some
from detector.decisions.options import DecideOptions
from detector.deployments.table import Deployment, read_deployments
from detector.species.calibration import Calibration
from detector.species.names.crosswalk import Crosswalk, load_crosswalk
from detector.species.names.kinds import Kinds
from detector.species.names.label_words import taxon_key
from detector.species.names.said_names import NameCheck
from detector.species.names.taxonomy import Taxonomy
from detector.species.priors import LocalList, Prior
from detector.species.rules import NamingRules, names_species
from detector.store.run_file import RunFile
from detector.store.run_json import load_run
from detector.types import Kind


@dataclass(frozen=True, eq=False)
class Rules:
    """What decisions are made by.

    Attributes:
        naming: How individuals are named.
        crosswalk: Names of taxa.
        deployments: That are listed.
        prior_files: Of `naming.priors`.
        notes: What a person should know of the tables that were read.
    """

    naming: NamingRules
    crosswalk: Crosswalk
    deployments: Sequence[Deployment]
    prior_files: Sequence[Path]
    notes: Sequence[str]

    def prior_of(self, deployment: Deployment) -> int:
        """Index of the prior of a deployment's region; -1: none.

        Raises:
            ConfigError: The table names a file that was not given, or names none of several.
        """
        if not self.prior_files:
            return -1
        if deployment.prior is None:
            if len(self.prior_files) == 1:
                return 0
            if not deployment.listed:
                return -1
            raise ConfigError(
                f"deployment '{deployment.deployment_id}' does not say which of several priors is its own",
                where="prior",
                hint="write the file's name into the column `prior` of the table of deployments",
            )
        for index, path in enumerate(self.prior_files):
            if deployment.prior in (path.name, path.stem, str(path)):
                return index
        raise ConfigError(
            f"the prior '{deployment.prior}' of deployment '{deployment.deployment_id}' was not given",
            where="prior",
            hint=f"give it, or choose one of {', '.join(path.name for path in self.prior_files)}",
        )


def read_rules(run: RunFile, options: DecideOptions) -> Rules:
    """Read what the options name.

    Raises:
        DataError: A file is wrong.
        ConfigError: The calibration was fitted for another classifier.
    """
    notes: list[str] = []
    crosswalk = load_crosswalk(Path(options.taxonomy) if options.taxonomy else None, notes.append)
    categories = run.detector.categories if run.detector else []
    calibration = Calibration.model_validate({})
    if options.calibration:
        calibration = Calibration.read(Path(options.calibration))
        if run.species and not calibration.fits(run.species.sha256):
            raise ConfigError(
                f"this calibration was fitted for another classifier than {run.species.name}",
                where=options.calibration,
                hint=f"run `hoopoe calibrate` with what ran here: --species {run.species.source or run.species.name}",
            )
    kinds = _kinds(crosswalk, options)
    classes = run.species.classes if run.species else (categories if names_species(categories, kinds) else [])
    taxonomy = Taxonomy(classes, crosswalk, kinds) if classes else None
    notes += label_notes(categories, taxonomy, kinds)
    prior_files = [Path(path) for path in options.priors]
    priors = [Prior.read(path) for path in prior_files]
    lists = [prior.join(taxonomy.scientific_names, crosswalk) for prior in priors] if taxonomy else []
    for path, prior, local in zip(prior_files, priors, lists, strict=False):
        notes += (*prior.notes, *_joining(path, local))
    if priors and not taxonomy:
        notes.append("a prior changes nothing: nothing in this store was told from other species")
    naming = NamingRules(
        categories=categories,
        taxonomy=taxonomy,
        has_classifier=run.species is not None,
        threshold=options.name_threshold,
        calibration=calibration,
        priors=lists,
        kinds=kinds,
    )
    deployments = read_deployments(Path(options.deployments), notes.append) if options.deployments else []
    # facts come with cards by their labels; a table may name them by their ids
    deployments = [replace(row, card=row.card and run.labels.get(row.card, row.card)) for row in deployments]
    return Rules(naming, crosswalk, deployments, prior_files if taxonomy else [], notes)


def name_check(folder: Path, options: DecideOptions) -> NameCheck:
    """Tells the names that people write in a store's reviews from misspelt ones.

    Raises:
        DataError: There is no store, or a file that the options name is wrong.
    """
    run = load_run(folder)
    labels = [*(run.detector.categories if run.detector else ()), *(run.species.classes if run.species else ())]
    return NameCheck(_kinds(load_crosswalk(Path(options.taxonomy) if options.taxonomy else None), options), labels)


def _kinds(crosswalk: Crosswalk, options: DecideOptions) -> Kinds:
    return Kinds(crosswalk, options.kinds)


def label_notes(categories: Sequence[str], taxonomy: Taxonomy | None, kinds: Kinds) -> Iterator[str]:
    """What a person should know of labels and classes of which nobody knows what they are."""
    undecided = [name for name in categories if kinds.of(name) == Kind.UNDECIDED]
    if undecided:
        yield (
            f"nobody knows what the detector's {some(undecided)} is: it is counted as no bird and kept private; say it "
            f"with --kind '{undecided[0]}=bird' (from Python kinds), or animal, person, vehicle, blank"
        )
    strange = [name for name in taxonomy.undecided if name not in undecided] if taxonomy else []
    if strange:
        yield (
            f"nobody knows what the classifier's {some(strange)} is: it names no bird; say it with "
            f"--kind '{strange[0]}=bird', or animal, person, vehicle, blank, or in a table for --taxonomy"
        )
    unknown = {taxon_key(name): name for name in (*undecided, *strange)}
    for label in sorted(kinds.given):
        for near in difflib.get_close_matches(label, unknown, 1):
            yield f"--kind says what '{label}' is: did you mean '{unknown[near]}'?"


def _joining(path: Path, local: LocalList) -> Iterator[str]:
    """What a person should know of how a prior joined the classes."""
    if local.moved:
        yield f"taken for the same species as in {path.name}: {some(local.moved)}"
    if local.absent:
        yield (
            f"{len(local.absent)} species are not in {path.name}, though eBird knows them, and count as rarer than any "
            f"on it: {some(local.absent)}"
        )
    if local.unmatched:
        yield (
            f"{len(local.unmatched)} species do not join any in {path.name} by name, and are left as they are: "
            f"{some(local.unmatched)}"
        )
