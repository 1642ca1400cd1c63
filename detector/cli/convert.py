"""`hoopoe convert yolo|voc`: boxes in other formats to a COCO JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from backbones.errors import ConfigError
from detector.cli.options.paths import folder_of, new_file_of
from detector.cli.terminal.parser import CommandParser

EXAMPLES = ("hoopoe convert yolo --images photos --labels labels --names data.yaml --output train.json",)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe convert`."""
    parser.epilog = "What cannot be read is left out, listed with its file and line, and makes the exit code 1."
    parser.add_argument(
        "format", choices=("yolo", "voc"), help="a text file a picture; or Pascal VOC, an XML a picture"
    )
    parser.add_argument(
        "--images", type=folder_of("the pictures"), required=True, metavar="DIR", help="the folder of the pictures"
    )
    parser.add_argument(
        "--labels",
        type=folder_of("the labels"),
        required=True,
        metavar="DIR",
        help="the folder of the text or XML files",
    )
    parser.add_argument(
        "--output",
        type=new_file_of("the COCO boxes", "train.json"),
        required=True,
        metavar="JSON",
        help="the COCO file to write",
    )
    parser.add_argument(
        "--names", nargs="+", metavar="NAME", help="yolo: data.yaml, a text file with a name a line, or the names"
    )
    parser.add_argument(
        "--zero-based", action="store_true", help="voc: corners count from 0, and exclude the last pixel"
    )


def run(args: argparse.Namespace) -> int:
    """Convert, write, and list what was left out."""
    from detector.data.convert.voc import voc_to_coco
    from detector.data.convert.yolo import yolo_to_coco
    from detector.data.doctor.document import write_document

    if args.format == "voc":
        document, problems = voc_to_coco(args.images, args.labels, args.zero_based)
    else:
        document, problems = yolo_to_coco(args.images, args.labels, _names(args.names))

    write_document(document, args.output)
    for problem in problems:
        print(f"left out: {problem}", file=sys.stderr)
    counts = ", ".join(f"{len(document[key])} {key}" for key in ("images", "annotations", "categories"))
    print(f"{args.output}: {counts}" + (f"; {len(problems)} left out" if problems else ""))
    return int(bool(problems))


def _names(words: Sequence[str] | None) -> Sequence[str]:
    from detector.data.convert.yolo import read_yolo_names

    if not words:
        raise ConfigError("YOLO's labels hold numbers only", hint="give --names data.yaml, or the names themselves")
    if len(words) == 1 and Path(words[0]).suffix in (".yaml", ".yml", ".txt", ".names"):
        return read_yolo_names(Path(words[0]))
    if len(set(words)) < len(words):
        raise ConfigError("a name is given twice", where="--names", hint="give one name a class number")
    return words
