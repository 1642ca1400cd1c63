"""Changes of valid label files of YOLO and Pascal VOC, most of them for the worse."""

from pathlib import Path

from tests.detector.data.drawn_birds import HEIGHT, NAMES, WIDTH, Bird, Truth
from tests.detector.data.mutating import Mutation, one_of, some


def yolo_line(bird: Bird) -> str:
    x, y, w, h = bird.box
    centre = f"{(x + w / 2) / WIDTH:.6f} {(y + h / 2) / HEIGHT:.6f}"
    return f"{NAMES.index(bird.name)} {centre} {w / WIDTH:.6f} {h / HEIGHT:.6f}\n"


def yolo_files(truth: Truth) -> dict[str, str]:
    return {str(Path(name).with_suffix(".txt")): "".join(map(yolo_line, birds)) for name, birds in truth.items()}


def voc_files(truth: Truth) -> dict[str, str]:
    def item(bird):
        x, y, w, h = map(int, bird.box)
        corners = f"<xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax>"
        return f"<object><name>{bird.name}</name><difficult>0</difficult><bndbox>{corners}</bndbox></object>"

    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    return {
        str(Path(name).with_suffix(".xml")): f"<annotation>{size}{''.join(map(item, birds))}</annotation>"
        for name, birds in truth.items()
    }


def with_birds(files: dict[str, str]) -> list[str]:
    return [name for name, text in files.items() if "0." in text or "<object>" in text]


def some_lines(change):
    """Change one line of some files."""

    def apply(files, rng):
        for name in some(rng, with_birds(files)):
            lines = files[name].splitlines()
            place = int(rng.integers(len(lines)))
            lines[place] = change(lines[place].split(), rng)
            files[name] = "\n".join(lines)

    return apply


def all_lines(change):
    def apply(files, rng):
        for name, text in files.items():
            files[name] = "\n".join(change([float(word) for word in line.split()], rng) for line in text.splitlines())

    return apply


def words(*values):
    return " ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)


def replaced(old, new):
    """Replace one place of some files."""

    def apply(files, rng):
        for name in some(rng, with_birds(files)):
            files[name] = files[name].replace(old, new, 1)

    return apply


def other_name(suffix=None):
    """Give some label files another name."""

    def apply(files, rng):
        for name in some(rng, with_birds(files)):
            path = Path(name)
            files[str(path.with_suffix(suffix) if suffix else path.with_stem("x" + path.stem))] = files.pop(name)

    return apply


def number_replaced(value):
    def change(line, rng):
        place = int(rng.integers(1, 5))
        return " ".join([*line[:place], value, *line[place + 1 :]])

    return some_lines(change)


YOLO: dict[str, Mutation] = {
    "nothing": Mutation(lambda files, rng: None, harmless=True),
    "blank lines": Mutation(replaced("\n", "\n\n"), harmless=True),
    "Windows' line ends": Mutation(replaced("\n", "\r\n"), harmless=True),
    "tabs": Mutation(some_lines(lambda line, _: "\t".join(line)), harmless=True),
    "class as float": Mutation(some_lines(lambda line, _: " ".join([f"{line[0]}.0", *line[1:]])), harmless=True),
    "tracks": Mutation(all_lines(lambda line, rng: words(*line, int(rng.integers(2, 99)))), harmless=True),
    "a number less": Mutation(some_lines(lambda line, _: " ".join(line[:4]))),
    "a number more": Mutation(some_lines(lambda line, _: " ".join([*line, "0.5"]))),
    "a word": Mutation(number_replaced("x")),
    "nan": Mutation(number_replaced("nan")),
    "inf": Mutation(number_replaced("-inf")),
    "huge": Mutation(number_replaced("1e30")),
    "comma": Mutation(some_lines(lambda line, _: " ".join(line).replace(".", ","))),
    "no width": Mutation(some_lines(lambda line, _: " ".join([*line[:3], "0", line[4]]))),
    "class": Mutation(some_lines(lambda line, rng: " ".join([one_of(rng, ["2", "-1", "0.5", "owl", ""]), *line[1:]]))),
    "scores": Mutation(all_lines(lambda line, rng: words(*line, float(rng.uniform(0.1, 1))))),
    "pixels": Mutation(
        all_lines(lambda v, _: words(int(v[0]), v[1] * WIDTH, v[2] * HEIGHT, v[3] * WIDTH, v[4] * HEIGHT))
    ),
    "corners": Mutation(
        all_lines(lambda v, _: words(int(v[0]), v[1] - v[3] / 2, v[2] - v[4] / 2, v[1] + v[3] / 2, v[2] + v[4] / 2))
    ),
    "left and top": Mutation(all_lines(lambda v, _: words(int(v[0]), v[1] - v[3] / 2, v[2] - v[4] / 2, v[3], v[4]))),
    "per cents": Mutation(all_lines(lambda v, _: words(int(v[0]), *(100 * value for value in v[1:])))),
    "pose": Mutation(all_lines(lambda v, rng: words(*v, *[v[1], v[2] + v[4] / 4] * 4))),
    "pose with visibility": Mutation(all_lines(lambda v, rng: words(*v, *[v[1], v[2], 2] * 3))),
    "other name": Mutation(other_name()),
    "other suffix": Mutation(other_name(".TXT")),
    "no text": Mutation(replaced("0.", "\x00\udcff")),
}  # fmt: skip

VOC: dict[str, Mutation] = {
    "nothing": Mutation(lambda files, rng: None, harmless=True),
    "spaces": Mutation(replaced("><", ">\n  <"), harmless=True),
    "decimals": Mutation(replaced("</xmin>", ".0</xmin>"), harmless=True),
    "no difficult": Mutation(replaced("<difficult>0</difficult>", ""), harmless=True),
    "difficult": Mutation(replaced("<difficult>0", "<difficult>1"), harmless=True),
    "difficult in words": Mutation(replaced("<difficult>0", "<difficult>perhaps")),
    "no size": Mutation(replaced("<size>", "<was>")),
    "other size": Mutation(replaced("<width>160", "<width>320")),
    "turned size": Mutation(replaced("<width>160</width><height>120", "<width>120</width><height>160")),
    "no name": Mutation(replaced("<name>", "<names>")),
    "empty name": Mutation(replaced("owl</name>", "</name>")),
    "no corner": Mutation(replaced("<xmin>", "<xm>")),
    "word in corner": Mutation(replaced("</xmax>", "px</xmax>")),
    "negative": Mutation(replaced("<xmax>", "<xmax>-")),
    "nan": Mutation(replaced("<ymin>", "<ymin>nan</ymin><ymin>")),
    "cut": Mutation(replaced("</bndbox></object>", "")),
    "no XML": Mutation(replaced("<annotation>", "")),
    "entity": Mutation(replaced("<annotation>", '<!DOCTYPE a [<!ENTITY x "y">]><annotation>')),
    "other name": Mutation(other_name()),
    "other suffix": Mutation(other_name(".XML")),
    "left, top, width, height": Mutation(lambda files, rng: files.update(voc_files(as_if_corners(rng.truth)))),
}  # fmt: skip


def as_if_corners(truth: Truth) -> Truth:
    """Birds whose corners are the left, top, width and height of those that were drawn."""
    return {
        name: [Bird(bird.name, (x, y, w - x, h - y)) for bird in birds for x, y, w, h in [bird.box]]
        for name, birds in truth.items()
    }
