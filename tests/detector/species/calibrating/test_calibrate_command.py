"""`hoopoe calibrate`, from labelled pictures to a file, a figure and words."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import backbones
from detector.cli.main import main
from detector.plots.reliability import plot_reliability
from detector.species.calibrating.detected import DetectedLogits
from detector.species.calibrating.fitting import ENOUGH_FOUND, fit_calibration
from detector.species.calibrating.labelled import LabelledLogits
from detector.species.calibrating.reliability import reliability
from detector.species.calibration import Calibration

COLOURS = {"White stork": (230, 230, 230), "Hooded crow": (40, 40, 60), "Common kestrel": (170, 90, 40)}
GREEN = (20, 200, 30)  # what is not a bird
SIZE = 32


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier trained for seconds to tell three colours apart."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = backbones.create_model("biformer_nano", num_classes=3, input_size=(SIZE, SIZE))
    labels = torch.arange(3).repeat(16)
    pixels = np.stack([patch(rng, list(COLOURS.values())[label]) for label in labels.tolist()])
    images = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)
    for _ in range(6):
        for rows in torch.randperm(len(images)).split(16):
            loss = torch.nn.functional.cross_entropy(net(images[rows]), labels[rows], label_smoothing=0.1)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    path = tmp_path_factory.mktemp("weights") / "colours.safetensors"
    stats = {"mean": [0.5] * 3, "std": [0.25] * 3}
    backbones.save_pretrained(path, net, class_to_idx={n: i for i, n in enumerate(COLOURS)}, rgb_stats=stats)
    return path


def patch(rng: np.random.Generator, colour: tuple[int, int, int], side: int = SIZE, noise: float = 25) -> np.ndarray:
    return np.clip(np.array(colour) + rng.normal(0, noise, (side, side, 3)), 0, 255).astype(np.uint8)


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    folder = tmp_path / "crops"
    # by class name, scientific name and another case; a fifth of the pictures are labelled wrongly
    named = {"white stork": "White stork", "Corvus cornix": "Hooded crow", "Common kestrel": "Common kestrel"}
    colours = list(COLOURS.values())
    for number, (name, class_name) in enumerate(named.items()):
        (folder / name).mkdir(parents=True)
        for index in range(20):
            colour = colours[(number + 1) % 3] if index % 5 == 0 else COLOURS[class_name]
            Image.fromarray(patch(rng, colour, 40)).save(folder / name / f"{index}.png")
    (folder / "not_a_bird").mkdir()
    for index in range(10):
        Image.fromarray(patch(rng, GREEN)).save(folder / "not_a_bird" / f"{index}.JPG")
    (folder / "dodo").mkdir()
    Image.fromarray(patch(rng, GREEN)).save(folder / "dodo" / "1.png")
    (folder / "dodo" / "broken.png").write_bytes(b"nothing")
    return folder


def test_labelled_crops_become_a_calibration_a_figure_and_words(
    weights: Path, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out" / "calibration.json"
    assert main(["calibrate", "--species", str(weights), "--crops", str(crops), "--output", str(output)]) == 0
    fitted = Calibration.read(output)
    assert (fitted.bird_crops, fitted.other_crops, fitted.detector_boxes) == (60, 10, 0)
    assert fitted.temperature > 1.05  # a fifth of the labels is wrong, so the network is too sure
    assert fitted.gate is not None
    assert fitted.fits(None)
    assert Image.open(output.with_suffix(".png")).size[0] > 500
    said = capsys.readouterr().out
    for words in ("expected calibration error", "only 60 labelled birds", "dodo", "broken.png", "from 0.65 up",
                  "the gate keeps"):  # fmt: skip
        assert words in said, words


def test_folders_are_told_by_their_names_and_what_nobody_knows_is_left_out(
    weights: Path, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(4)
    for name in ("non_bird", "background", "Vulpes vulpes", "White_Stork", "gribbler", ".cache"):
        (crops / name).mkdir()
        for index in range(3):
            colour = COLOURS["White stork"] if name == "White_Stork" else GREEN
            Image.fromarray(patch(rng, colour)).save(crops / name / f"{index}.png")
    (crops / "White_Stork" / "._0.png").write_bytes(b"what macOS leaves behind")
    output = tmp_path / "calibration.json"
    command = ["calibrate", "--species", str(weights), "--crops", str(crops), "--output", str(output)]
    assert main(command) == 0
    fitted, said = Calibration.read(output), capsys.readouterr().out
    assert (fitted.bird_crops, fitted.other_crops) == (60 + 3, 10 + 9)
    assert "3 crops are left out, for nobody knows what their labels are: gribbler" in said
    assert "--kind 'gribbler=bird'" in said
    assert "._0.png" not in said
    assert main([*command, "--kind", "Gribbler=animal"]) == 0
    assert Calibration.read(output).other_crops == 10 + 9 + 3
    assert "gribbler" not in capsys.readouterr().out


def test_boxes_and_detections_of_a_coco_data_set_fit_the_weight_too(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(2)
    (tmp_path / "images").mkdir()
    images, annotations, results = [], [], []
    for number in range(1, 25):
        picture = patch(rng, GREEN, 100)
        label = number % 3
        picture[20:60, 10:50] = patch(rng, list(COLOURS.values())[label], 40)
        Image.fromarray(picture).save(tmp_path / "images" / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 100, "height": 100})
        box = [10, 20, 40, 40]
        annotations.append({"id": number, "image_id": number, "category_id": label + 1, "bbox": box, "area": 1600,
                            "iscrowd": 0})  # fmt: skip
        # the detector is sure of a species that it has guessed, and sees another bird where there is none
        results += [
            {"image_id": number, "category_id": number % 2 + 1, "bbox": [11, 21, 39, 39], "score": 0.8},
            {"image_id": number, "category_id": 1, "bbox": [60, 60, 30, 30], "score": 0.3},
        ]
    categories = [{"id": index, "name": name} for index, name in enumerate(COLOURS, start=1)]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    command = ["calibrate", "--species", str(weights), "--annotations", str(truth), "--images",
               str(tmp_path / "images"), "--output", str(tmp_path / "calibration.json")]  # fmt: skip
    for agnostic in (None, 99, 1):  # of a detector of birds, whose only category may have the id of a species
        given = [{**result, "category_id": agnostic} if agnostic else result for result in results]
        (tmp_path / "predictions.json").write_text(json.dumps(given))
        assert main([*command, "--detections", str(tmp_path / "predictions.json")]) == 0
        fitted = Calibration.read(tmp_path / "calibration.json")
        assert (fitted.bird_crops, fitted.detector_boxes) == (24, 48)
        assert fitted.weight >= 0.5  # the classifier knows better
        assert "stay uncertain" in capsys.readouterr().out  # no non-birds, no gate
    for wrong in ({"score": "0.9"}, {"score": None}, {"bbox": [1, 2, 3]}, {"image_id": "1"}):
        (tmp_path / "predictions.json").write_text(json.dumps([*results, {**results[0], **wrong}]))
        assert main([*command, "--detections", str(tmp_path / "predictions.json")]) == 2
        assert "no COCO results" in capsys.readouterr().err

    (tmp_path / "others" / "leaves").mkdir(parents=True)
    for number in range(3):
        Image.fromarray(patch(rng, GREEN)).save(tmp_path / "others" / "leaves" / f"{number}.JPG")
    assert main([*command, "--others", str(tmp_path / "others")]) == 0
    fitted = Calibration.read(tmp_path / "calibration.json")
    assert (fitted.bird_crops, fitted.other_crops) == (24, 3)
    assert fitted.gate is not None
    (tmp_path / "nothing").mkdir()
    assert main([*command, "--others", str(tmp_path / "nothing")]) == 2
    assert "no pictures" in capsys.readouterr().err


@pytest.mark.parametrize(("found", "temperature"), [(ENOUGH_FOUND, 3.0), (ENOUGH_FOUND - 1, 1.0)])
def test_the_temperature_is_of_the_detectors_boxes_where_it_found_enough(found: int, temperature: float) -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 4, (4000, 6)).astype(np.float32)
    noise = rng.gumbel(size=logits.shape)
    labelled = LabelledLogits(logits, (logits + noise).argmax(axis=1), {}, ())
    truth = np.full(4000, -1)
    truth[:found] = (logits / 3 + noise).argmax(axis=1)[:found]
    fit = fit_calibration(labelled, "ab", DetectedLogits(np.full(4000, 0.5, np.float32), logits, truth))
    assert fit.calibration.temperature == pytest.approx(temperature, rel=0.35)
    assert fit.calibration.bird_crops == (found if temperature > 1 else 4000)


def test_what_cannot_be_calibrated_on_says_so(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "crops" / "dodo").mkdir(parents=True)
    command = ["calibrate", "--species", str(weights), "--output", str(tmp_path / "calibration.json")]
    assert main([*command, "--crops", str(tmp_path / "crops")]) == 2
    assert "no labelled crops" in capsys.readouterr().err
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "crops" / "dodo" / "1.png")
    assert main([*command, "--crops", str(tmp_path / "crops")]) == 2
    assert "dodo" in capsys.readouterr().err
    (tmp_path / "x.json").touch()
    assert main([*command, "--annotations", str(tmp_path / "x.json")]) == 2
    assert "--images" in capsys.readouterr().err
    for option, path in (("--detections", tmp_path / "x.json"), ("--others", tmp_path)):
        assert main([*command, "--crops", str(tmp_path / "crops"), option, str(path)]) == 2
        assert "--annotations" in capsys.readouterr().err


def test_a_figure_without_names_says_so() -> None:
    empty = reliability(np.zeros(0), np.zeros(0, bool))
    figure = plot_reliability(empty, empty, 1.0)
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["no names", "no names"]
