"""`hoopoe check-detector FILE.onnx PHOTO`: whether a detector of another program is read rightly."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbones.errors import ConfigError, DataError
from detector.cli.options.paths import file_of, new_file_of
from detector.cli.terminal import exit_codes
from detector.cli.terminal.parser import CommandParser

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from detector.models.onnx.checking import Verdict

SHOWN_FROM = 0.2  # scores, as of `predict`
EXAMPLES = (
    "hoopoe check-detector md_v5a.onnx photo.jpg --drawn photo_boxes.png",
    "hoopoe check-detector yolox_s.onnx photo.jpg --boxes 120,80,300,240",
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe check-detector`."""
    parser.epilog = (
        "Colours, scale and form of boxes are each tried the other way too. Agreement is the overlap with known boxes "
        "times the score; without --boxes, the scores of what is found, as far as it lies in the picture."
    )
    what = "the detector, an .onnx file; FILE.yaml beside it says what it does not"
    parser.add_argument("model", type=file_of("a detector", "md_v5a.onnx"), metavar="FILE.onnx", help=what)
    parser.add_argument("photo", type=file_of("a photo"), metavar="PHOTO", help="with an animal that is plain to see")
    parser.add_argument(
        "--boxes",
        nargs="+",
        metavar="BOX",
        help="what is in it: left,top,width,height in pixels, each; or a COCO file that lists the photo",
    )
    parser.add_argument("--drawn", type=new_file_of("the picture"), metavar="PNG", help="write the photo with boxes")


def run(args: argparse.Namespace) -> int:
    """Detect by each convention, and say which agree."""
    from detector.data.images import read_image
    from detector.models import detect, load_detector
    from detector.models.onnx.checking import check_conventions, onnx_net
    from detector.plots.detections import draw_detections
    from detector.plots.files import save_image

    detector = load_detector(args.model, "cpu")
    net = onnx_net(detector)
    image = read_image(args.photo)
    known = _known(args.boxes, args.photo) if args.boxes else None
    [found] = detect(detector, [image], score_threshold=SHOWN_FROM)
    rule = net.config.rule
    size, names = f"{rule.width} x {rule.height}", ", ".join(detector.categories)
    print(f"{args.model}: {detector.runtime}, input {size}, categories {names}")
    print(f"{args.photo}: {len(found)} detections from {SHOWN_FROM} up: {found!r}")
    if args.drawn is not None:
        drawn = draw_detections(image, found.boxes_xyxy, found.names, found.scores, truth_xyxy=known)
        save_image(drawn, args.drawn)
        print(f"the photo with its boxes: {args.drawn}")
    verdicts = check_conventions(detector, image, known)
    _print(verdicts)
    for verdict in verdicts:
        print(_sentence(verdict, args.model, known is not None))
    return exit_codes.FAULTS if any(verdict.better is not None for verdict in verdicts) else exit_codes.DONE


def _print(verdicts: Sequence[Verdict]) -> None:
    from detector.cli.terminal.tables import new_table, results

    table = new_table("convention", "as it is read", "agreement", "otherwise", texts=2)
    table.columns[-1].justify = "left"
    for verdict in verdicts:
        others = ", ".join(f"{value} {agreement:.2f}" for value, agreement in verdict.others)
        table.add_row(verdict.option, str(verdict.told), f"{verdict.agreement:.2f}", others)
    results().print(table)


def _sentence(verdict: Verdict, model: Path, known: bool) -> str:
    if verdict.better is not None:
        write = f"write `{verdict.option}: {verdict.better}` into {model.with_suffix('.yaml').name}"
        return f"look: {verdict.option}: {verdict.better} agrees better than {verdict.told}: {write}"
    if verdict.decided and verdict.agreement >= verdict.others[0][1]:
        return f"{verdict.option}: {verdict.told} is right"
    more = "another photo may" if known else "--boxes, or another photo, may"
    return f"{verdict.option}: this photo does not tell; {more}"


def _known(words: Sequence[str], photo: Path) -> NDArray[np.float32]:
    """The known boxes, corners in pixels.

    Raises:
        ConfigError: A word is no box.
        DataError: The COCO file does not list the photo, or several of its name.
    """
    import numpy as np

    from detector.boxes import xywh_to_xyxy

    if len(words) == 1 and Path(words[0]).is_file():
        return _listed(Path(words[0]), photo)
    boxes: list[list[float]] = []
    for word in words:
        try:
            box = [float(number) for number in word.split(",")]
        except ValueError:
            box = []
        if len(box) != 4 or not all(np.isfinite(box)) or min(box[2:]) <= 0:
            hint = "such as 120,80,300,240: left, top, width and height in pixels; or a COCO file"
            raise ConfigError(f"'{word:.80}' is no box", where="--boxes", hint=hint)
        boxes.append(box)
    return np.asarray(xywh_to_xyxy(np.array(boxes, np.float32)), np.float32)


def _listed(file: Path, photo: Path) -> NDArray[Any]:
    from detector.data.coco.reading import read_coco

    annotations, _ = read_coco([(file, photo.parent)])
    shared = {place: _shared_parts(annotations.path(place), photo.absolute()) for place in range(len(annotations))}
    most = max(shared.values(), default=0)
    places = [place for place, parts in shared.items() if parts == most]
    if not most:
        raise DataError(f"it does not list {photo.name}", where=file, hint="give the file that has its boxes")
    if len(places) > 1:
        hint = "give the boxes themselves: left,top,width,height"
        raise DataError(f"it lists {len(places)} photos that may be {photo.name}", where=file, hint=hint)
    return annotations[places[0]].boxes_xyxy


def _shared_parts(one: Path, other: Path) -> int:
    """How many of their last names are the same: cameras begin anew at IMG_0001, folders tell them apart."""
    pairs = zip(reversed(one.parts), reversed(other.parts), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
