"""`hoopoe compare OUT OUT2`: two runs on the same footage, against each other and against what people say."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from detector.cli.options.paths import folder_of, new_file_of
from detector.cli.terminal import exit_codes
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.tables import new_table, results

if TYPE_CHECKING:
    from detector.decisions.comparing.judging import Judgement
    from detector.evaluation.bootstrap import Estimate

SHOWN = 20  # rows of a table
EXAMPLES = ("hoopoe compare OUT OUT2 --output comparison.json",)
WORDS = {1: "the second is better", 0: "no difference can be told", -1: "the first is better"}


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe compare`."""
    parser.epilog = "Files are told by their content, so that cards may have other names. Neither folder is changed."
    parser.add_argument("first", type=folder_of("an annotation"), metavar="OUT", help="a folder of `hoopoe annotate`")
    parser.add_argument(
        "second",
        type=folder_of("an annotation"),
        metavar="OUT2",
        help="another of the same footage, by other models or settings; people's words in either count for both",
    )
    parser.add_argument(
        "--output",
        type=new_file_of("the comparison", "comparison.json"),
        metavar="JSON",
        help="write all of it, with every transition and species",
    )


def run(args: argparse.Namespace) -> int:
    """Compare and print."""
    from detector.decisions.comparing.changes import Changes
    from detector.decisions.comparing.comparison import compare_stores

    compared = compare_stores(args.first, args.second)
    if args.output is not None:
        compared.write(args.output)
    changes: Changes = compared.changes
    apart = f"{changes.only_first} only in {args.first}, {changes.only_second} only in {args.second}"
    print(f"{changes.common} files in both, {apart}; by the models alone:")
    _transitions("files", changes.files)
    _transitions("names of boxes", changes.names, same=False)
    _events(changes.events)
    if compared.judged is None:
        print("nobody has reviewed either: which is better cannot be told (hoopoe review)")
    else:
        _judged(compared.judged)
    if args.output is not None:
        print(f"written: {args.output}")
    return exit_codes.DONE


def _transitions(title: str, pairs: Mapping[tuple[str, str], int], *, same: bool = True) -> None:
    from rich.markup import escape

    rows = [(pair, count) for pair, count in pairs.items() if same or pair[0] != pair[1]]
    rows.sort(key=lambda row: (-row[1], row[0]))
    table = new_table(title, "in the first", "in the second", "count", texts=3)
    for (one, other), count in rows[:SHOWN]:
        table.add_row("" if one == other else "changed", escape(one), escape(other), str(count))
    if len(rows) > SHOWN:
        table.add_row("", f"{len(rows) - SHOWN} more", "", str(sum(count for _, count in rows[SHOWN:])))
    if not same:
        stayed = sum(count for (one, other), count in pairs.items() if one == other)
        table.add_row("", "all others", "as before", str(stayed))
    results().print(table)


def _events(events: Mapping[str, tuple[int, int]]) -> None:
    from rich.markup import escape

    table = new_table("events of", "in the first", "in the second")
    changed = sorted(events.items(), key=lambda row: (-abs(row[1][1] - row[1][0]), row[0]))
    for name, (one, other) in changed[:SHOWN]:
        table.add_row(escape(name), str(one), str(other))
    results().print(table)


def _judged(judged: Judgement) -> None:
    from detector.decisions.comparing.judging import verdicts

    said = {title: WORDS[word] for title, word in verdicts(judged)}
    if judged.taught:
        print(
            f"of {judged.files} files with birds that people named, {judged.taught} are of events that a classifier "
            "learnt from: they do not count for names and MaxN"
        )
    if judged.files > judged.taught and judged.names is None:
        print("neither run names species: names are not compared")
    table = new_table("by what people say", "first", "second", "difference", "stands on", "verdict", texts=1)
    if judged.names is not None and judged.gain is not None:
        one, other = judged.names
        behind = f"{one.birds} birds, {one.groups} events, {judged.files - judged.taught} files"
        for title, name in (("names (top-1)", "top1"), ("names (macro-F1)", "macro_f1")):
            cells = [_cell(getattr(each, name)) for each in (one, other)]
            table.add_row(title, *cells, _cell(getattr(judged.gain, name), signed=True), behind, said[title])
    rows = (
        ("birds found", judged.recall, "birds"),
        ("false boxes", judged.false_boxes, "files"),
        ("at once", judged.at_once_error, "events"),
        ("MaxN", judged.count_error, "events"),
    )
    for title, figure, of in rows:
        if figure is not None:
            behind = f"{figure.things} {of} in {judged.reviewed} reviewed files"
            cells = [_cell(figure.first), _cell(figure.second)]
            table.add_row(title, *cells, _cell(figure.difference, signed=True), behind, said[title])
    results().print(table)
    print(
        "In brackets: 95 % intervals, of draws of whole events; a verdict needs six events that differ. False boxes: "
        "boxes a file on no bird that people named or drew; at once: mean error of the most birds in a frame, whatever "
        "they are called; MaxN: of each name. A bird that one run alone found counts as false until people see it. Of "
        "videos: the frames that both looked at."
    )


def _cell(estimate: Estimate, *, signed: bool = False) -> str:
    if estimate.value is None:
        return "-"
    sign = "+" if signed else ""
    interval = "" if estimate.low is None else f" ({estimate.low:{sign}.3f} to {estimate.high:{sign}.3f})"
    return f"{estimate.value:{sign}.3f}{interval}"
