"""The commands by name, and what the command line says of them; a command's module is imported when it is asked for."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import textwrap
from collections.abc import Sequence
from types import ModuleType

from backbones.errors import ConfigError
from detector import __version__
from detector.cli.terminal import exit_codes
from detector.cli.terminal.parser import CommandParser, add_common_arguments

# name -> (module, one line of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("detector.cli.demo.command", "train a small model on drawn birds and show what it can do"),
    "quickstart": ("detector.cli.quickstart", "train and evaluate a small detector on your boxes, in minutes"),
    "annotate": ("detector.cli.annotate", "find and name the birds in cards of photos and videos"),
    "deployments": ("detector.cli.deployments", "begin a table of cameras, to fill in places and time zones"),
    "decide": ("detector.cli.stores.decide", "name, count and time what was found; needs no model"),
    "export": ("detector.cli.stores.export", "write Timelapse, Excel, R, COCO, Camtrap DP and more"),
    "report": ("detector.cli.stores.report", "make a page to look at what was found; no network"),
    "review": ("detector.cli.stores.review", "look at what was found in the browser, and say what it is"),
    "corrections": ("detector.cli.stores.corrections", "make a set to train a detector on, of what people said"),
    "cards": ("detector.cli.stores.cards", "list the cards of annotated footage, rename or remove one"),
    "merge": ("detector.cli.stores.merge", "put what several machines annotated into one"),
    "compact": ("detector.cli.stores.compact", "join the many small files of annotated footage"),
    "reclassify": ("detector.cli.stores.reclassify", "name the birds of annotated footage by another classifier"),
    "compare": (
        "detector.cli.stores.compare",
        "see what another model changes, and which of two is better",
    ),
    "classify-crops": ("detector.cli.classify_crops", "name the birds in boxes of another tool"),
    "calibrate": ("detector.cli.calibrate", "make the confidence of species names mean what it says"),
    "check-detector": ("detector.cli.check_detector", "see whether a detector of another program is read rightly"),
    "predict": ("detector.cli.predict", "find birds in pictures"),
    "classify": ("detector.cli.classify", "name the species in pictures"),
    "doctor": ("detector.cli.data_sets.doctor", "find what is wrong with a data set, and mend it"),
    "show": ("detector.cli.data_sets.show", "see what training sees, and what is wrong with a data set"),
    "convert": ("detector.cli.data_sets.convert", "turn YOLO, VOC, Label Studio or CVAT boxes into COCO"),
    "draw": ("detector.cli.data_sets.draw", "draw birds with known boxes, to pretrain a detector"),
    "train": ("detector.cli.train", "train a detector on COCO boxes, or go on with a run"),
    "train-species": ("detector.cli.train_species", "teach a classifier the species that people named"),
    "evaluate": ("detector.cli.evaluate", "measure a detector on annotated pictures"),
    "export-model": ("detector.cli.export_model", "make a detector or a classifier faster, or fit for other programs"),
    "download": ("detector.cli.download", "fetch published models ahead of a trip"),
    "completion": ("detector.cli.terminal.completion", "let the shell complete commands and options by the Tab key"),
}
HELP_COLUMNS = 80  # of the list of commands
GROUPS = {
    "begin": ("demo", "quickstart", "download", "completion"),
    "footage of camera traps": (
        *("annotate", "deployments", "decide", "report", "review", "export", "cards", "reclassify", "compare"),
        *("corrections", "classify-crops", "merge", "compact"),
    ),
    "single pictures": ("predict", "classify", "check-detector"),
    "a detector or a classifier of your own": (
        *("doctor", "show", "convert", "draw", "train", "evaluate", "train-species", "calibrate", "export-model"),
    ),
}


def load(command: str) -> ModuleType:
    """The module of a command."""
    return importlib.import_module(COMMANDS[command][0])


def command_in(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The command among words, and all others; `help COMMAND` is `COMMAND --help`.

    Raises:
        ConfigError: There is no such command.
    """
    others = list(words)
    for place, word in enumerate(words):
        if word.startswith("-") or (place and words[place - 1] == "--log"):
            continue
        del others[place]
        if word == "help":
            return command_in([*others, "--help"])
        if word not in COMMANDS:
            near = difflib.get_close_matches(word, COMMANDS, n=1)
            hint = f"did you mean `hoopoe {near[0]}`? " if near else ""
            raise ConfigError(f"there is no command '{word}'", hint=f"{hint}`hoopoe --help` lists them all")
        return word, others
    return None, others


def command_parser(command: str) -> CommandParser:
    """The parser of one command's options."""
    module, summary = load(command), COMMANDS[command][1]
    parser = CommandParser(f"hoopoe {command}", f"{summary[0].upper()}{summary[1:]}.")
    parser.examples = getattr(module, "EXAMPLES", ())
    module.add_arguments(parser)
    return parser


def program_parser() -> argparse.ArgumentParser:
    """The parser of what is said without a command; its help lists the commands."""
    width = max(map(len, COMMANDS)) + 2
    lines = []
    for group, names in GROUPS.items():
        lines += [f"{group}:", *(f"  {name:<{width}}{COMMANDS[name][1]}" for name in names), ""]
    codes = max(map(len, exit_codes.MEANINGS)) + 2
    lines.append("exit codes:")
    for code, text in exit_codes.MEANINGS.items():
        lines += textwrap.wrap(f"  {code:<{codes}}{text}", HELP_COLUMNS, subsequent_indent=" " * (codes + 2))
    parser = argparse.ArgumentParser(
        prog="hoopoe",
        usage="hoopoe COMMAND [options], which `hoopoe COMMAND --help` shows",
        description="Trains bird detectors, and annotates camera-trap footage down to the species.",
        epilog="\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hoopoe {__version__}")
    add_common_arguments(parser)
    return parser


def offer_completions() -> None:
    """Answer a shell that asks for completions, and end; otherwise nothing."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    import argcomplete

    parser = argparse.ArgumentParser(prog="hoopoe")
    commands = parser.add_subparsers()
    for name in COMMANDS:
        commands.add_parser(name, parents=[command_parser(name)], add_help=False)
    argcomplete.autocomplete(parser)
