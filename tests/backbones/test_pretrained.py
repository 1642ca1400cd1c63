"""Loading and saving classifiers: both formats, recognition of the network, and files that cannot be used."""

import functools
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

import backbones
from backbones.base import Backbone
from backbones.errors import CheckpointError, ConfigError

CLASSES = {"Great tit": 0, "Hoopoe": 1, "Unknown": 2}
RGB_STATS = {"mean": (0.5191, 0.5306, 0.4877), "std": (0.2316, 0.2304, 0.2588)}
SIGNATURE = {"inputs": [{"data_shape": [0, 3, 64, 96]}], "outputs": [{"data_shape": [0, 3]}]}

SavePt = Callable[..., Path]


@functools.cache
def make_net(name: str = "davit_nano", drop_path_rate: float = 0.0) -> Backbone:
    """A net with random weights; one for all tests, that none may change."""
    torch.manual_seed(0)
    return backbones.create_model(name, num_classes=3, input_size=(64, 96), drop_path_rate=drop_path_rate).eval()


def as_pt(net: torch.nn.Module) -> dict[str, Any]:
    """The entries of birder's `.pt` format."""
    return {
        "state": net.state_dict(),
        "birder_version": "0.8.4",
        "task": "image_classification",
        "signature": SIGNATURE,
        "class_to_idx": CLASSES,
        "rgb_stats": RGB_STATS,
    }


@pytest.fixture
def save_pt(tmp_path: Path) -> SavePt:
    """Save entries in birder's `.pt` format; `changes` are made to them first, None leaves an entry out."""

    def save(net: torch.nn.Module, name: str = "file.pt", **changes: Any) -> Path:
        entries = {key: value for key, value in (as_pt(net) | changes).items() if value is not None}
        torch.save(entries, tmp_path / name)
        return tmp_path / name

    return save


def assert_same_tensors(a: torch.nn.Module, b: torch.nn.Module) -> None:
    ours, theirs = a.state_dict(), b.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("name", backbones.list_models())
def test_a_renamed_file_is_recognised_by_its_tensors(name: str, save_pt: SavePt) -> None:
    with torch.device("meta"):
        shapes = backbones.create_model(name, num_classes=3).state_dict()
    state = {key: torch.zeros(()).expand(tensor.shape) for key, tensor in shapes.items()}  # large nets, small files
    path = save_pt(make_net(), "weights.bin", state=state)
    assert backbones.load_pretrained_model(path).net.name == name


def test_a_wrong_name_does_not_mislead(save_pt: SavePt) -> None:
    net = make_net("davit_nano")
    assert_same_tensors(backbones.load_pretrained_model(save_pt(net, "biformer_s_il-all.pt")).net, net)


def test_a_pt_file_comes_with_classes_signature_and_statistics(save_pt: SavePt) -> None:
    net, class_to_idx, signature, rgb_stats = backbones.load_pretrained_model(save_pt(make_net()))
    assert class_to_idx == CLASSES
    assert backbones.get_size_from_signature(signature) == (64, 96) == net.input_size
    assert backbones.get_channels_from_signature(signature) == 3
    assert rgb_stats == RGB_STATS


def test_files_of_torch_before_1_6_load(tmp_path: Path) -> None:
    net = make_net()
    torch.save(as_pt(net), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert_same_tensors(backbones.load_pretrained_model(tmp_path / "old.pt").net, net)


@pytest.mark.parametrize("name", ["davit_nano", "biformer_nano"])
def test_what_is_saved_loads_again(name: str, tmp_path: Path) -> None:
    net = make_net(name, drop_path_rate=0.2)
    backbones.save_pretrained(tmp_path / "x.safetensors", net, class_to_idx=CLASSES, rgb_stats=RGB_STATS)
    loaded, class_to_idx, signature, rgb_stats = backbones.load_pretrained_model(str(tmp_path / "x.safetensors"))
    assert_same_tensors(loaded, net)
    assert loaded.name == name
    assert loaded.config["drop_path_rate"] == 0.2
    assert (class_to_idx, signature) == (CLASSES, SIGNATURE)
    assert {key: tuple(values) for key, values in rgb_stats.items()} == RGB_STATS
    x = torch.randn(1, 3, 64, 96)
    assert torch.equal(loaded.eval()(x), net(x))
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_safetensors_that_begin_like_a_pickle_load(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for length in range(0, 256, 8):  # the file begins with the length of its metadata, a multiple of 8
        classes = {"x" * length: 0}
        backbones.save_pretrained(path, make_net(), class_to_idx=classes, rgb_stats=RGB_STATS)
        if path.read_bytes()[:1] == b"\x80":
            break
    assert path.read_bytes()[:1] == b"\x80"
    assert backbones.load_pretrained_model(path).class_to_idx == classes


def test_saving_leaves_an_older_file_whole_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"older")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        backbones.save_pretrained(path, make_net(), class_to_idx=CLASSES, rgb_stats=RGB_STATS)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_saving_refuses_another_format_and_classes_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"name it x\.safetensors"):
        backbones.save_pretrained(tmp_path / "x.pt", make_net(), class_to_idx=CLASSES, rgb_stats=RGB_STATS)
    with pytest.raises(CheckpointError, match="class_to_idx"):
        backbones.save_pretrained(
            tmp_path / "x.safetensors", make_net(), class_to_idx={"Hoopoe": 3}, rgb_stats=RGB_STATS
        )


def test_inference_is_evaluation_mode_without_gradients(save_pt: SavePt) -> None:
    path = save_pt(make_net())
    net = backbones.load_pretrained_model(path, inference=True, dtype=torch.bfloat16).net
    assert not any(module.training for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert all(parameter.dtype == torch.bfloat16 for parameter in net.parameters())
    net = backbones.load_pretrained_model(path).net
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_half_precision_files_become_float32(save_pt: SavePt) -> None:
    state = {key: value.half() for key, value in make_net().state_dict().items()}
    loaded = backbones.load_pretrained_model(save_pt(make_net(), state=state)).net
    assert all(parameter.dtype == torch.float32 for parameter in loaded.parameters())


def test_the_window_follows_the_signature_or_the_config(save_pt: SavePt) -> None:
    path = save_pt(make_net())
    assert backbones.load_pretrained_model(path).net.window_size == (2, 3)
    path = save_pt(make_net(), config={"window_size": [4, 4]})
    assert backbones.load_pretrained_model(path).net.window_size == (4, 4)


def test_a_custom_depth_in_the_config_is_honoured(save_pt: SavePt) -> None:
    net = backbones.create_model("biformer_nano", 3, config={"depths": (2, 1, 1, 1)})
    loaded = backbones.load_pretrained_model(save_pt(net, config={"depths": [2, 1, 1, 1]})).net
    assert_same_tensors(loaded, net)
    assert loaded.name == "biformer_nano"


@pytest.mark.parametrize(
    "config", [{"channel_attention_type": "Florence"}, {"depths": "deep"}, {"depths": [1]}, {"dims": [7, 7, 7, 7]}]
)
def test_a_config_that_cannot_be_honoured_is_an_error(config: dict[str, Any], save_pt: SavePt) -> None:
    path = save_pt(make_net(), "davit_nano.pt", config=config)
    with pytest.raises(CheckpointError, match="davit_nano"):
        backbones.load_pretrained_model(path)


def test_tensors_that_do_not_fit_are_listed_with_their_shapes(save_pt: SavePt) -> None:
    net = make_net()
    state = dict(net.state_dict())
    del state["classifier.bias"]
    state["classifier.gain"] = torch.zeros(3)
    state["stem.norm.weight"] = torch.zeros(31)
    path = save_pt(net, state=state)
    with pytest.raises(CheckpointError) as caught:
        backbones.load_pretrained_model(path)
    message = str(caught.value)
    assert str(path) in message
    assert "1 missing (classifier.bias (3,))" in message
    assert "1 extra (classifier.gain (3,))" in message
    assert "1 of another shape (stem.norm.weight (31,) in place of (32,))" in message
    assert caught.value.hint is not None


def test_a_long_list_of_missing_tensors_is_cut_short(save_pt: SavePt) -> None:
    state = {key: value for key, value in make_net().state_dict().items() if "stage1" not in key}
    with pytest.raises(CheckpointError, match=r"missing \(body\.stage1.*, \.\.\.\)"):
        backbones.load_pretrained_model(save_pt(make_net(), state=state))


def test_tensors_of_no_known_network_are_refused(save_pt: SavePt) -> None:
    with pytest.raises(CheckpointError, match="no network that is known here"):
        backbones.load_pretrained_model(save_pt(torch.nn.Linear(2, 3)))


@pytest.mark.parametrize("entry", ["state", "signature", "class_to_idx", "rgb_stats"])
def test_a_missing_entry_is_named(entry: str, save_pt: SavePt) -> None:
    with pytest.raises(CheckpointError, match=f"has no {entry}"):
        backbones.load_pretrained_model(save_pt(make_net(), **{entry: None}))


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("state", {"weight": 1.0}),
        ("state", {}),
        ("signature", {"inputs": []}),
        ("signature", {"inputs": [{"data_shape": [0, 3, 0, 96]}], "outputs": [{"data_shape": [0, 3]}]}),
        ("class_to_idx", ["Hoopoe"]),
        ("class_to_idx", {"Hoopoe": 1, "Great tit": 1}),
        ("rgb_stats", {"mean": (0.5,), "std": (0.2,)}),
        ("rgb_stats", {"mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.0)}),
        ("config", [1, 1, 1, 1]),
    ],
)
def test_an_entry_of_another_form_is_named(entry: str, value: Any, save_pt: SavePt) -> None:
    with pytest.raises(CheckpointError, match=f"{entry} is not of the expected form"):
        backbones.load_pretrained_model(save_pt(make_net(), **{entry: value}))


def test_a_detector_is_not_taken_for_a_classifier(save_pt: SavePt) -> None:
    with pytest.raises(CheckpointError, match="checkpoint for object_detection"):
        backbones.load_pretrained_model(save_pt(make_net(), task="object_detection"))


class Malicious:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("save", [torch.save, lambda entries, path: path.write_bytes(pickle.dumps(entries))])
def test_a_pickle_that_would_run_code_is_refused(save: Callable[..., Any], tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    save(as_pt(make_net()) | {"class_to_idx": Malicious(traces)}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match="refused") as caught:
        backbones.load_pretrained_model(tmp_path / "evil.pt")
    assert not traces.exists()
    assert "weights_only" not in str(caught.value)  # torch's own message advises to switch the protection off


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "an empty file"),
        (b"Species list\nHoopoe\n", "a text file"),
        (b"<!DOCTYPE html><html>Sign in</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"\xff\xd8\xff\xe0 JPEG", "something else"),
        (b"PK\x03\x04 cut", "damaged"),
        (b"\x80\x02 cut", "damaged"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{ not JSON }    ", "damaged"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_described(content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "davit_tiny_il-all.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=problem) as caught:
        backbones.load_pretrained_model(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_truncated_file_is_refused(suffix: str, share: float, save_pt: SavePt, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    if suffix == ".pt":
        save_pt(make_net(), path.name)
    else:
        backbones.save_pretrained(path, make_net(), class_to_idx=CLASSES, rgb_stats=RGB_STATS)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match="damaged"):
        backbones.load_pretrained_model(path)


def test_a_bare_state_dict_is_refused_with_the_way_out(tmp_path: Path) -> None:
    torch.save(make_net().state_dict(), tmp_path / "bare.pt")
    with pytest.raises(CheckpointError, match="save_pretrained"):
        backbones.load_pretrained_model(tmp_path / "bare.pt")


def test_a_whole_pickled_module_is_refused(tmp_path: Path) -> None:
    torch.save(make_net(), tmp_path / "module.pt")
    with pytest.raises(CheckpointError, match="refused"):
        backbones.load_pretrained_model(tmp_path / "module.pt")


def test_safetensors_without_metadata_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="has no signature, class_to_idx, rgb_stats"):
        backbones.load_pretrained_model(tmp_path / "x.safetensors")


def test_metadata_are_those_of_birder(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    backbones.save_pretrained(path, make_net(), class_to_idx=CLASSES, rgb_stats=RGB_STATS)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["task"] == "image_classification"
    assert json.loads(metadata["class_to_idx"]) == CLASSES
    assert json.loads(metadata["signature"]) == SIGNATURE
    assert metadata.keys() >= {"birder_version", "rgb_stats"}


@pytest.mark.parametrize("path", ["absent.pt", "models/absent", "."])
def test_a_path_without_a_file_is_an_error(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="check the path"):
        backbones.load_pretrained_model(path)


def test_a_name_that_is_not_published_names_those_that_are() -> None:
    with pytest.raises(ConfigError, match="davit_tiny_il-all"):
        backbones.load_pretrained_model("davit_tiny_il-al")


def test_published_models_are_listed_by_pattern() -> None:
    assert backbones.list_pretrained_models() == ["biformer_s_il-all", "davit_tiny_il-all"]
    assert backbones.list_pretrained_models("davit*") == ["davit_tiny_il-all"]
    assert backbones.list_pretrained_models("absent*") == []
