"""What libjpeg says of damaged files is told once, by name, and not shown at every reading."""

import os
import subprocess
import sys

import cv2
import pytest

from detector.training.pictures.decoder_words import decoders_heard

SCRIPT = """
import os, sys
from detector.training.pictures.decoder_words import decoders_heard
with decoders_heard() as words:
    os.write(2, b"Corrupt JPEG data: 397 extraneous bytes before marker 0xd9\\n")
    os.write(2, b"a library fails\\n")
    print("Python speaks", file=sys.stderr)
os.write(2, b"Corrupt JPEG data: as before\\n")
print(words)
"""


def test_nothing_is_said_and_nothing_heard_where_stderr_is_captured(capsys):
    with decoders_heard() as words:
        print("shown", file=sys.stderr)
    assert words == []
    assert capsys.readouterr().err == "shown\n"


def test_the_decoders_lines_are_kept_and_all_others_passed_on():
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert sorted(ended.stderr.splitlines()) == ["Corrupt JPEG data: as before", "Python speaks", "a library fails"]
    assert ended.stdout == "['Corrupt JPEG data: 397 extraneous bytes before marker 0xd9']\n"


@pytest.mark.slow
def test_a_damaged_picture_is_named_once_before_training(drawn_set, tmp_path, command, tiny_yaml):
    images = tmp_path / "images"
    images.mkdir()
    for path in (drawn_set / "images").iterdir():
        os.symlink(path, images / path.name)
    damaged = [sorted(images.glob(f"{part}*.jpg"))[0] for part in ("train", "val")]
    for path in damaged:
        pixels = cv2.imread(str(path))
        data = cv2.imencode(".jpg", pixels)[1].tobytes()
        path.unlink()
        middle = len(data) - len(data) // 4
        path.write_bytes(data[:middle] + b"\xff" * 60 + b"\x01" + data[middle:])
    words = command(tiny_yaml, tmp_path / "run", "--set", "train.epochs=1", "data.workers=0")
    words = [word.replace(str(drawn_set / "images"), str(images)) for word in words]
    ended = subprocess.run([sys.executable, "-m", "detector.cli.main", *words], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "Corrupt JPEG" not in ended.stderr
    lost = f"of which a part is lost (they are used all the same): {damaged[0].name}, {damaged[1].name}"
    assert ended.stderr.count(lost) == ended.stderr.count(damaged[1].name) == 1
