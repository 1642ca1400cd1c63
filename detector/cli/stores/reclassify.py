"""`hoopoe reclassify OUT --species NEW`: name the birds of a store by another classifier."""

import argparse

from detector.cli.options.annotation import (
    add_result_arguments,
    add_retry_argument,
    add_root_argument,
    add_species_argument,
    add_work_arguments,
    check_arguments,
    check_tables,
    finish,
    run_settings,
)
from detector.cli.options.cluster import device_here
from detector.cli.options.models import check_classifier
from detector.cli.options.shared import add_store_argument
from detector.cli.terminal.parser import CommandParser

EXAMPLES = ("hoopoe reclassify OUT --species davit_tiny_il-all",)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe reclassify`."""
    add_store_argument(parser)
    add_species_argument(parser)
    add_root_argument(parser)
    add_retry_argument(parser)
    add_result_arguments(parser)
    add_work_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Classify, decide, export, and print what was found."""
    from detector.cli.options.exporting import parse_roots

    check_arguments(args)
    roots = parse_roots(args.root)

    from detector.annotation.reclassification import reclassify
    from detector.annotation.run import species_entry
    from detector.base.devices import device_of
    from detector.species.classifier import load_classifier
    from detector.store.run_json import load_run

    check_classifier("--species", args.species, "`hoopoe annotate --detector` finds birds by it")
    device, precision = device_here(args)
    species = load_classifier(args.species, device, precision)
    models = load_run(args.store).model_copy(update={"species": species_entry(species)})
    check_tables(args, args.store, models)
    report = reclassify(args.store, species, run_settings(args, device_of(species.net)), roots)
    return finish(args, args.store, report)
