"""`hoopoe COMMAND ...`: finds the command, runs it, and turns errors into three lines and one of the `exit_codes`."""

import argparse
import difflib
import importlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence

from backbones.errors import ConfigError, HoopoeError
from detector import __version__
from detector.base.stopping import Ended, ending_by_exception
from detector.cli.terminal import exit_codes
from detector.cli.terminal.messages import print_error

# name -> (module, one line of help); a module is imported only when its command is asked for
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("detector.cli.demo.command", "train a small model on drawn birds and show what it can do"),
    "download": ("detector.cli.download", "fetch published models ahead of a trip"),
    "annotate": ("detector.cli.annotate", "find and name the birds in cards of photos and videos"),
    "deployments": ("detector.cli.deployments", "begin a table of cameras, to fill in places and time zones"),
    "decide": ("detector.cli.decide", "name, count and time what was found; needs no model"),
    "export": ("detector.cli.export", "write Timelapse, Excel, R, COCO, Camtrap DP and more"),
    "cards": ("detector.cli.cards", "list the cards of annotated footage, rename or remove one"),
    "reclassify": ("detector.cli.reclassify", "name the birds of annotated footage by another classifier"),
    "classify-crops": ("detector.cli.classify_crops", "name the birds in boxes of another tool"),
    "calibrate": ("detector.cli.calibrate", "make the confidence of species names mean what it says"),
    "classify": ("detector.cli.classify", "name the species in pictures"),
    "predict": ("detector.cli.predict", "find birds in pictures"),
    "doctor": ("detector.cli.doctor", "find what is wrong with a data set, and mend it"),
    "convert": ("detector.cli.convert", "turn YOLO or Pascal VOC boxes into a COCO file"),
    "draw": ("detector.cli.draw", "draw birds with known boxes, to pretrain a detector"),
    "train": ("detector.cli.train", "train a detector on COCO boxes, or go on with a run"),
    "evaluate": ("detector.cli.evaluate", "measure a detector on annotated pictures"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after `hoopoe`; those of the process by default.

    Returns:
        The exit code.

    Raises:
        SystemExit: From argparse, on `--help`, `--version` and options that it cannot read.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # no file name, however odd, ends a run by being printed
    debug = "--debug" in words
    try:
        with ending_by_exception():
            code = _run(words)
            sys.stdout.flush()  # a closed pipe shows here, not at the interpreter's exit
            return code
    except KeyboardInterrupt as ended:
        print("interrupted", file=sys.stderr)
        return exit_codes.interrupted(ended.number if isinstance(ended, Ended) else signal.SIGINT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `hoopoe ... | head` has read enough
        return 0
    except Exception as exception:
        if debug:
            traceback.print_exc()
        error = _as_hoopoe_error(exception)
        print_error(error)
        return exit_codes.DEFECT if isinstance(error, _DefectError) else exit_codes.MENDABLE


def _run(words: list[str]) -> int:
    command = next((word for word in words if not word.startswith("-")), None)
    if command is not None and command not in COMMANDS:
        near = difflib.get_close_matches(command, COMMANDS, n=1)
        hint = f"did you mean `hoopoe {near[0]}`? " if near else ""
        raise ConfigError(f"there is no command '{command}'", hint=f"{hint}`hoopoe --help` lists them all")
    module = None if command is None else importlib.import_module(COMMANDS[command][0])

    width = max(map(len, exit_codes.MEANINGS)) + 2
    parser = argparse.ArgumentParser(
        prog="hoopoe",
        description="Trains bird detectors and annotates camera-trap footage down to the species.",
        epilog="exit codes:\n" + "\n".join(f"  {code:<{width}}{text}" for code, text in exit_codes.MEANINGS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hoopoe {__version__}")
    _add_debug(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (_, summary) in COMMANDS.items():
        command_parser = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        _add_debug(command_parser)
        if name == command and module is not None:
            module.add_arguments(command_parser)

    args = parser.parse_args(words)
    if module is None:
        parser.print_help()
        return 0
    return module.run(args)


def _add_debug(parser: argparse.ArgumentParser) -> None:
    # accepted before and after the command; SUPPRESS keeps the second from overwriting the first
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show an error's traceback")


class _DefectError(HoopoeError):
    """An exception that nobody foresaw."""


def _as_hoopoe_error(exception: Exception) -> HoopoeError:
    if isinstance(exception, HoopoeError):
        return exception
    if isinstance(exception, OSError):
        return HoopoeError(
            exception.strerror or str(exception),
            where=exception.filename,
            hint="check that the path exists, that you may read or write there, and that the disk has room",
        )
    frame = traceback.extract_tb(exception.__traceback__)[-1]
    return _DefectError(
        f"{type(exception).__name__}: {exception}",
        where=f"{frame.filename}:{frame.lineno}",
        hint="this is a defect of Hoopoe: run it again with --debug, and report what it prints",
    )


if __name__ == "__main__":
    sys.exit(main())
