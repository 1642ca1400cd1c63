"""`hoopoe doctor ANNOTATIONS --images DIR`: find what is wrong with a data set, and mend it."""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from backbones.errors import ConfigError
from detector.cli.options.paths import file_of, folder_of, new_file_of
from detector.cli.options.shared import add_images_argument
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.tables import results

if TYPE_CHECKING:
    from rich.console import Console

    from detector.data.doctor.examination import Examined
    from detector.data.doctor.repair import Repair
    from detector.data.findings import Finding

CONVENTIONS = tuple(  # of `detector.data.conventions.Boxes`, which takes its time to be imported
    f"{unit}{layout}".removesuffix("-xywh") if unit else layout
    for unit in ("", "fractions-", "percents-")
    for layout in ("xywh", "xyxy", "cxcywh")
)
RECORDS_SHOWN = 3  # records named in a row of the table; --output has them all


EXAMPLES = (
    "hoopoe doctor train.json --images photos",
    "hoopoe doctor train.json --images photos --fix mended.json",
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe doctor`."""
    parser.epilog = (
        "Exit code: 1 if there are errors (with --fix: if errors are left in the mended copy, or none was written)."
    )
    parser.add_argument(
        "annotations", type=file_of("COCO boxes", "train.json"), metavar="ANNOTATIONS", help="a COCO JSON"
    )
    add_images_argument(parser)
    parser.add_argument(
        "--val-annotations",
        type=file_of("COCO boxes", "val.json"),
        metavar="JSON",
        help="also examine this validation set",
    )
    parser.add_argument(
        "--val-images", type=folder_of("the pictures"), metavar="DIR", help="the folder of its pictures"
    )
    parser.add_argument(
        "--output",
        type=new_file_of("the findings", "findings.json"),
        metavar="JSON",
        help="write every finding to this file",
    )
    parser.add_argument(
        "--fix",
        type=new_file_of("the mended boxes", "mended.json"),
        metavar="OUT.json",
        help="write a mended copy of ANNOTATIONS",
    )
    parser.add_argument(
        "--boxes",
        choices=CONVENTIONS,
        metavar="CONVENTION",
        help=f"what a box's four numbers are, where they are not COCO's: {', '.join(CONVENTIONS)}; --fix converts them",
    )
    parser.add_argument(
        "--allow-losses",
        action="store_true",
        help="write the mended copy even if it loses more than a few per cent of the pictures or boxes",
    )


def run(args: argparse.Namespace) -> int:
    """Examine, print, and mend when asked to."""

    from detector.base.files import write_bytes
    from detector.data.conventions import Boxes
    from detector.data.doctor.document import read_document, refuse_original, write_document
    from detector.data.doctor.examination import compare_splits, examine
    from detector.data.doctor.losses import Losses
    from detector.data.doctor.repair import repair
    from detector.data.packed import CocoSource
    from detector.training.pictures.scanning import Scanner

    if (args.val_annotations is None) != (args.val_images is None):
        raise ConfigError("--val-annotations and --val-images belong together", hint="give both or neither")
    if args.fix:
        refuse_original(args.fix, args.annotations)  # before the pictures are looked at, which takes its time
    console = results()
    scanner = Scanner()
    train = examine(CocoSource(args.annotations, args.images), scanner, Boxes(args.boxes) if args.boxes else None)
    examined = [train]
    between: list[Finding] = []
    if args.val_annotations is not None:
        validation = examine(CocoSource(args.val_annotations, args.val_images), scanner)
        examined.append(validation)
        between = list(compare_splits(train, validation))
    for each in examined:
        _print_set(console, each)
    findings = [finding for each in examined for finding in each.findings] + between
    print_findings(console, findings)

    left = findings
    repairs: list[Repair] = []
    refused: str | None = None
    if args.fix:
        original = read_document(args.annotations, args.images)
        document, repairs = repair(original, train, findings)
        refused = None if args.allow_losses else Losses.between(original, document, repairs).problem
        if refused is None:
            write_document(document, args.fix)
            left = examine(CocoSource(args.fix, args.images), scanner).findings
        _print_repairs(console, repairs, args.fix, left)
    if args.output:
        report = {
            "sets": [each.to_dict() for each in examined],
            "between_sets": [finding.to_dict() for finding in between],
            "repairs": [vars(each) for each in repairs],
        }
        text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
        write_bytes(args.output, text.encode("utf-8", "backslashreplace"))
    if refused is not None:
        print(f"{args.fix} was not written: {refused}. Mend the cause, or allow it by --allow-losses.")
        return 1
    return int(any(finding.severity == "error" for finding in left))


def _print_set(console: Console, examined: Examined) -> None:
    from detector.data.doctor.box_sizes import ANCHOR_SIZES, size_histogram, unmatched
    from detector.data.doctor.examination import boxes_at_default_size

    console.print(f"[bold]{examined.source.annotations}[/]: {examined.report}", highlight=False)
    boxes = examined.parsed.boxes.boxes_xywh
    if len(boxes):
        sizes = ", ".join(f"{name}: {count}" for name, count in size_histogram(boxes).items() if count)
        seen = boxes_at_default_size(examined.parsed)
        shares = "; ".join(f"{name}: {unmatched(seen, name)}" for name in ANCHOR_SIZES)
        console.print(f"  boxes by size in pixels: {sizes}", highlight=False)
        console.print(f"  at the default size in the network, {shares}", highlight=False)


def print_findings(console: Console, findings: list[Finding]) -> None:
    """Print a table of findings, the errors first."""
    from rich.markup import escape
    from rich.table import Table

    from detector.data.findings import FAULTS, count_by_code

    if not findings:
        console.print("nothing to report")
        return
    table = Table("", "finding", "count", "what and where", "what to do", box=None, padding=(0, 2, 0, 0))
    styles = {"error": "red", "warning": "yellow", "info": "dim"}
    counts = count_by_code(findings)
    for code in sorted(counts, key=lambda code: list(styles).index(FAULTS[code].severity)):
        of_code = [finding for finding in findings if finding.code == code]
        examples = [f"{each.record or each.file.name}: {each.message}" for each in of_code[:RECORDS_SHOWN]]
        examples += [f"... and {len(of_code) - RECORDS_SHOWN} more"] * (len(of_code) > RECORDS_SHOWN)
        fault = FAULTS[code]
        severity = f"[{styles[fault.severity]}]{fault.severity}[/]"
        table.add_row(severity, code, str(len(of_code)), escape("\n".join(examples)), escape(fault.hint))
    console.print(table)


def _print_repairs(console: Console, repairs: list[Repair], path: Path, left: list[Finding]) -> None:
    console.print(f"\n[bold]{path}[/]: {len(repairs)} repairs", highlight=False)
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for each in repairs:
        groups[each.action, each.table, each.reason].append(each.record)
    for (action, table, reason), records in groups.items():
        names = ", ".join(records[:RECORDS_SHOWN] + ["..."] * (len(records) > RECORDS_SHOWN))
        console.print(f"  {action} {len(records)} {table} ({reason}): {names}", markup=False, highlight=False)
    errors = Counter(finding.code for finding in left if finding.severity == "error")
    if errors:
        counts = ", ".join(f"{count} x {code}" for code, count in errors.items())
        console.print(f"  left for you to mend: {counts}", highlight=False)
