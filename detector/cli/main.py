"""`hoopoe COMMAND ...`: finds the command, runs it, and turns errors into three lines and one of the `exit_codes`."""

import io
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence

from backbones.errors import HoopoeError
from detector.base.memory import keep_freed_memory
from detector.base.reporting.current import current
from detector.base.reporting.json_log import JsonLog
from detector.base.stopping import Ended, ending_by_exception
from detector.cli.commands import COMMANDS as COMMANDS
from detector.cli.commands import command_in, command_parser, load, offer_completions, program_parser
from detector.cli.options.paths import stores_at_hand
from detector.cli.terminal import exit_codes
from detector.cli.terminal.log import asked_log
from detector.cli.terminal.messages import print_error


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after `hoopoe`; those of the process by default.

    Returns:
        The exit code.

    Raises:
        SystemExit: From argparse, on `--help` and `--version`.
    """
    offer_completions()
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # no file name, however odd, ends a run by being printed
    with asked_log(words):
        began, code = time.monotonic(), _exit_code(words)
        if isinstance(log := current(), JsonLog):
            log.event("finished", exit_code=code, seconds=round(time.monotonic() - began, 3))
    return code


def _exit_code(words: list[str]) -> int:
    try:
        with ending_by_exception():
            code = _run(words)
            sys.stdout.flush()  # a closed pipe shows here, not at the interpreter's exit
            return code
    except KeyboardInterrupt as ended:
        current().warn("interrupted")
        return exit_codes.interrupted(ended.number if isinstance(ended, Ended) else signal.SIGINT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `hoopoe ... | head` has read enough
        return 0
    except Exception as exception:
        if "--debug" in words:
            current().warn(traceback.format_exc().rstrip())
        error = _as_hoopoe_error(exception)
        print_error(error)
        return exit_codes.DEFECT if isinstance(error, _DefectError) else exit_codes.MENDABLE


def _run(words: list[str]) -> int:
    command, others = command_in(words)
    if command is None:
        parser = program_parser()
        parser.parse_args(others)
        parser.print_help()
        return exit_codes.DONE
    if isinstance(log := current(), JsonLog):
        log.event("started", command=command)
    parser, module = command_parser(command), load(command)
    args = parser.read(others)
    with stores_at_hand(parser.actions, args, getattr(module, "MAKES_PICTURES", False)):
        keep_freed_memory()
        code: int = module.run(args)
    return code


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
