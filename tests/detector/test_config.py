from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import PositiveInt

from backbones.errors import ConfigError
from detector.config import Section, dump_config, find_config, list_configs, load_config, parse_config


class Schedule(Section):
    warmup: PositiveInt = 500
    """Steps until the full rate."""

    kind: str | None = "cosine"
    """What comes after the warmup."""


class Train(Section):
    lr: float = 1e-3
    """Learning rate at the peak."""

    milestones: tuple[int, ...] = ()
    """Epochs after which it falls."""

    schedule: Schedule = Schedule()
    """How the rate changes."""


class Config(Section):
    train: Train = Train()
    """Training."""

    seed: int | None = None
    """Seed of everything."""


@pytest.fixture
def write(tmp_path: Path):
    def _write(text: str) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return _write


@pytest.mark.parametrize("text", ["", "# nothing", "train:", "train:\n  schedule:\n"])
def test_nothing_said_gives_the_defaults(text: str, write) -> None:
    assert load_config(write(text), Config) == Config()


def test_values_of_the_file_replace_the_defaults_and_no_more(write) -> None:
    config = load_config(write("train:\n  lr: 0.5\n  schedule: {warmup: 7}\n"), Config)
    assert config == Config(train=Train(lr=0.5, schedule=Schedule(warmup=7)))


def test_overrides_win_over_the_file_and_later_ones_over_earlier(write) -> None:
    path = write("train:\n  lr: 0.5\n  schedule: {warmup: 7}\n")
    config = load_config(path, Config, ["train.lr=1", "train.lr=2e-4", "train.milestones=[8, 11]", "seed=3"])
    assert config.train == Train(lr=2e-4, milestones=(8, 11), schedule=Schedule(warmup=7))
    assert config.seed == 3


@pytest.mark.parametrize(("value", "meant"), [("null", None), ("", None), ("a=b", "a=b"), ("'1'", "1")])
def test_overrides_are_yaml_scalars(value: str, meant: str | None) -> None:
    assert parse_config("", Config, [f"train.schedule.kind={value}"]).train.schedule.kind == meant


@pytest.mark.parametrize("number", ["1e-4", "1E-4", "1.e-4", "1.0e-4", "0.0001", "+1e-4"])
def test_exponents_without_a_point_are_numbers(number: str) -> None:
    assert yaml.safe_load("1e-4") == "1e-4"  # what PyYAML makes of it
    assert parse_config(f"train: {{lr: {number}}}", Config).train.lr == 1e-4


def test_an_unknown_key_names_file_path_and_nearest_key(write) -> None:
    path = write("train:\n  lrr: 0.5\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path, Config)
    assert (caught.value.where, caught.value.hint) == (f"{path}: train.lrr", "did you mean train.lr?")


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("trian.lr", "train"),
        ("train.schedule.warmpu", "train.schedule.warmup"),
        ("lr", "train.lr"),  # in the wrong place
        ("warmup", "train.schedule.warmup"),
    ],
)
def test_an_unknown_override_names_itself_and_the_nearest_key(key: str, nearest: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config("", Config, [f"{key}=1"])
    assert (caught.value.where, caught.value.hint) == (f"--set {key}=1", f"did you mean {nearest}?")


def test_a_key_like_no_other_gets_the_list_of_those_beside_it() -> None:
    with pytest.raises(ConfigError, match=r"choose one of train\.schedule\.warmup, train\.schedule\.kind"):
        parse_config("train: {schedule: {zzz: 1}}", Config)


def test_a_wrong_value_names_its_key_and_what_it_means(write) -> None:
    path = write("train:\n  schedule: {warmup: 0}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path, Config)
    assert caught.value.where == f"{path}: train.schedule.warmup"
    assert caught.value.problem == "input should be greater than 0, not 0"
    assert caught.value.hint == "train.schedule.warmup: Steps until the full rate."


def test_the_first_of_several_errors_says_how_many_there_are() -> None:
    with pytest.raises(ConfigError, match="the first of 2 errors"):
        parse_config("train: {lr: x, milestones: [a]}", Config)


@pytest.mark.parametrize(
    ("text", "line"), [("train:\n  lr: 1\n  lr: 2\n", 3), ("train: [1\nseed: 2", 2), ("seed: 1\n\ttrain: 2", 2)]
)
def test_broken_yaml_and_keys_given_twice_are_errors_with_a_line(text: str, line: int, write) -> None:
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, Config)
    assert caught.value.where == f"{path}:{line}"


@pytest.mark.parametrize("text", ["- 1\n- 2\n", "hello"])
def test_a_file_without_keys_is_no_configuration(text: str, write) -> None:
    with pytest.raises(ConfigError, match="keys and values"):
        load_config(write(text), Config)


@pytest.mark.parametrize("override", ["train.lr", "=1", "train..lr=1"])
def test_an_override_has_a_key_and_a_value(override: str) -> None:
    with pytest.raises(ConfigError, match="key=value"):
        parse_config("", Config, [override])


def test_configurations_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().seed = 1


@given(
    lr=st.floats(allow_nan=False, allow_infinity=False),
    milestones=st.lists(st.integers()),
    kind=st.one_of(st.none(), st.text(st.characters(codec="utf-8"))),
)
@example(lr=1.0, milestones=[], kind="a\x85\u2028b\u2029")
def test_what_is_dumped_is_read_back_equal(lr: float, milestones: list[int], kind: str | None) -> None:
    config = Config(train=Train(lr=lr, milestones=tuple(milestones), schedule=Schedule(kind=kind)))
    assert parse_config(dump_config(config), Config) == config


def test_dumped_configurations_hold_the_defaults_too() -> None:
    assert yaml.safe_load(dump_config(Config()))["train"]["schedule"] == {"warmup": 500, "kind": "cosine"}


def test_shipped_configurations_are_found_by_name() -> None:
    assert {"faster_rcnn_davit_tiny", "demo_nano"} <= set(list_configs())
    assert find_config("demo_nano").is_file()


@pytest.mark.parametrize(
    ("source", "hint"),
    [("demo_nan", "did you mean demo_nano?"), ("nowhere/x.yaml", "check the path"), ("x.yaml", "check the path")],
)
def test_a_configuration_that_does_not_exist_says_which_does(source: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(source, Config)
    assert caught.value.hint == hint
