"""A command's options: the everyday ones on one screen, all of them by `--help-all`, and errors like all others."""

from __future__ import annotations

import argparse
import difflib
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from backbones.errors import ConfigError
from detector.cli.options.paths import check_paths

WIDEST = 100  # characters of a line of help
OPTION_COLUMNS = 27  # characters for an option's name, before what it does


class CommandParser(argparse.ArgumentParser):
    """The parser of one command.

    Attributes:
        examples: Whole command lines that are true, for the help.
    """

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, add_help=False, formatter_class=_Formatter)
        self.examples: Sequence[str] = ()
        self._rare: set[argparse.Action] = set()
        self._positionals.title = "what"
        common = self.add_argument_group("of every command")
        common.add_argument("-h", "--help", action="help", help="this text")
        common.add_argument("--help-all", action=_HelpAll, help="the same with all options")
        self._rare.add(add_common_arguments(common))

    def add_rare_argument(self, *names: str, **options: Any) -> argparse.Action:
        """Declare an option that few need: only `--help-all` explains it."""
        action = self.add_argument(*names, **options)
        self._rare.add(action)
        return action

    @property
    def actions(self) -> Sequence[argparse.Action]:
        """Its options."""
        return self._actions

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """The options of a command line.

        Raises:
            ConfigError: They cannot be read, or a path is not of the kind that its option takes.
        """
        args = self.parse_args(words)
        check_paths(self._actions, args)
        return args

    def error(self, message: str) -> NoReturn:
        """Refuse a command line as everything else is refused."""
        known = [name for action in self._actions for name in action.option_strings]
        unknown = message.partition("unrecognized arguments: ")[2].split()
        near = [each for word in unknown for each in difflib.get_close_matches(word.partition("=")[0], known, n=1)]
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(message, where=self.prog, hint=f"{hint}`{self.prog} --help` shows its options")

    def format_usage(self) -> str:
        """What must be given."""
        words = [_usage(action) for action in self._actions if not action.option_strings]
        words += [_usage(action) for action in self._actions if action.option_strings and action.required]
        return " ".join(["usage:", self.prog, *words, "[options]"]) + "\n"

    def format_help(self, everything: bool = False) -> str:
        """What the command does, examples, and its options.

        Args:
            everything: Also the options that few need, and the lines below them.
        """
        formatter = self._get_formatter()
        for group in self._action_groups:
            formatter.start_section(group.title)
            formatter.add_arguments(_shown(group._group_actions, () if everything else self._rare))
            formatter.end_section()
        if self._rare and not everything:
            names = ", ".join(action.option_strings[-1] for action in self._actions if action in self._rare)
            formatter.add_text(f"--help-all also explains {names}.")
        formatter.add_text(self.epilog)
        examples = "".join(f"  {example}\n" for example in self.examples)
        return f"{self.format_usage()}\n{self.description}\n{examples}\n{formatter.format_help()}"


def add_common_arguments(group: argparse._ActionsContainer) -> argparse.Action:
    """Declare what every command takes, also before its name; returns the last, which few need."""
    quiet, log = "no progress: results, warnings and errors alone", "json: progress on stderr as an event a line"
    group.add_argument("--quiet", action="store_true", default=argparse.SUPPRESS, help=quiet)
    group.add_argument("--log", choices=("text", "json"), default=argparse.SUPPRESS, help=log)
    return group.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show an error's traceback"
    )


class _HelpAll(argparse.Action):
    """Prints the long help, and ends."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, default=argparse.SUPPRESS, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        assert isinstance(parser, CommandParser)
        parser._print_message(parser.format_help(everything=True), sys.stdout)
        parser.exit()


class _Formatter(argparse.HelpFormatter):
    """Names and words in two columns; a text of several lines stays as it is."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns, WIDEST)
        super().__init__(prog, max_help_position=OPTION_COLUMNS, width=width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return indent + text
        return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _usage(action: argparse.Action) -> str:
    name = action.metavar if action.metavar is not None else "|".join(map(str, action.choices or (action.dest,)))
    word = " ".join([*action.option_strings[-1:], *((name,) if isinstance(name, str) else name)])
    several = f"{word} ..." if action.nargs == "+" else word
    return f"[{word}]" if action.nargs == "?" else several


def _shown(actions: Iterable[argparse.Action], left_out: Iterable[argparse.Action]) -> list[argparse.Action]:
    return [action for action in actions if action not in set(left_out)]
