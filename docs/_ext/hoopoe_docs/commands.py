"""The commands and their options, from argparse."""

from __future__ import annotations

import argparse

from detector.cli.commands import COMMANDS, GROUPS, command_parser
from detector.cli.terminal.exit_codes import MEANINGS
from detector.cli.terminal.parser import CommandParser
from hoopoe_docs.markdown import cell, table

COMMON = frozenset({"--help", "--help-all", "--quiet", "--log", "--debug"})  # of every command, told once on the page


def commands_page() -> str:
    """The exit codes, and a section a command, in the order of `hoopoe --help`."""
    codes = table(["exit code", "meaning"], [[code, cell(meaning)] for code, meaning in MEANINGS.items()])
    ordered = [name for names in GROUPS.values() for name in names]
    assert set(ordered) == set(COMMANDS)
    return "\n".join([codes, *map(_command, ordered)])


def _command(name: str) -> str:
    parser: CommandParser = command_parser(name)
    assert parser.description is not None
    lines = [parser.format_usage().removeprefix("usage: ").rstrip(), "", *parser.examples]
    usage = "\n".join(lines).rstrip()
    rows = [_row(action) for action in parser._actions if action.help and not COMMON & set(action.option_strings)]
    text = f"## hoopoe {name}\n\n{cell(parser.description)}\n\n```text\n{usage}\n```\n\n"
    text += table(["option", "values", "what it does"], rows) if rows else ""
    if parser.epilog is None:
        return text
    words = parser.epilog % {"prog": parser.prog}
    return f"{text}\n```text\n{words}\n```\n" if "\n" in words else f"{text}\n{cell(words)}\n"


def _row(action: argparse.Action) -> list[str]:
    """Names, values, and help of an option or a positional argument."""
    metavar = action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar or ())
    shown = metavar or ("" if action.nargs == 0 else action.dest.upper())
    choices = "" if action.choices is None else ", ".join(map(str, action.choices))
    names = ", ".join(f"`{name}`" for name in action.option_strings) or f"`{shown}`"
    text = (action.help or "") % {**vars(action), "prog": "hoopoe"}
    required = " (required)" if action.required and action.option_strings else ""
    return [names + required, cell(choices or (f"`{shown}`" if action.option_strings and shown else "")), cell(text)]
