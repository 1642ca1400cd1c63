"""`hoopoe classify IMAGE ... --model MODEL`: the most likely species of each picture."""

import argparse

from backbones.errors import ConfigError, HoopoeError
from detector.cli.messages import print_error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `hoopoe classify`."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="a picture, best cropped to one bird")
    parser.add_argument(
        "--model", required=True, metavar="NAME_OR_PATH", help="a published model, or a file of weights"
    )
    parser.add_argument(
        "--top", type=int, default=5, metavar="N", help="how many species to show (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Print a table of each picture's species; a picture that cannot be read does not cost the others."""
    if args.top < 1:
        raise ConfigError(f"{args.top} species cannot be shown", where="--top", mend="ask for at least one")

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    import backbones
    from backbones.inference.classification import infer_image

    net, class_to_idx, signature, rgb_stats = backbones.load_pretrained_model(args.model, inference=True)
    transform = backbones.classification_transform(backbones.get_size_from_signature(signature), rgb_stats)
    class_names = {index: name for name, index in class_to_idx.items()}

    table = Table("picture", "species", "probability")
    failed = 0
    for image in args.images:
        try:
            probabilities = infer_image(net, image, transform)[0][0]
        except HoopoeError as error:
            failed += 1
            print_error(error)
            continue
        for rank, index in enumerate(probabilities.argsort()[::-1][: args.top].tolist()):
            picture = "" if rank else escape(image)
            table.add_row(picture, escape(class_names[index]), f"{probabilities[index]:.3f}")
        table.add_section()
    if table.row_count:
        Console().print(table)
    return 1 if failed else 0
