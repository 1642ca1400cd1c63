"""The networks by name: what the names promise, and what is refused."""

import pytest
import torch

import backbones
from backbones.errors import ConfigError
from backbones.layers import DropPath
from backbones.registry import get_config

# Parameters at 550 classes, millions, and widths of the stages: the table of docs/models.md.
TABLE = {
    "biformer_t": (12.9, (64, 128, 256, 512)),
    "biformer_s": (25.3, (64, 128, 256, 512)),
    "biformer_b": (56.5, (96, 192, 384, 768)),
    "davit_tiny": (28.0, (96, 192, 384, 768)),
    "davit_small": (49.4, (96, 192, 384, 768)),
    "davit_base": (87.5, (128, 256, 512, 1024)),
}
NANO = ("biformer_nano", "davit_nano")


def count_parameters(name: str) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in backbones.create_model(name, 550).parameters())


def test_the_list_of_models_is_complete_and_sorted() -> None:
    assert backbones.list_models() == sorted([*TABLE, *NANO])
    assert backbones.list_models("davit_*") == ["davit_base", "davit_nano", "davit_small", "davit_tiny"]
    assert backbones.list_models("resnet*") == []


@pytest.mark.parametrize("name", TABLE)
def test_variants_have_the_size_of_the_table(name: str) -> None:
    millions, widths = TABLE[name]
    assert round(count_parameters(name) / 1e6, 1) == millions
    with torch.device("meta"):
        net = backbones.create_model(name)
    assert net.return_channels == widths
    assert net.return_strides == (4, 8, 16, 32)
    assert net.embedding_size == widths[-1]


@pytest.mark.parametrize("name", NANO)
def test_nano_networks_have_fewer_than_three_million_parameters(name: str) -> None:
    assert count_parameters(name) < 3e6


@pytest.mark.parametrize(("wrong", "right"), [("davit_tny", "davit_tiny"), ("biformer-s", "biformer_s")])
def test_an_unknown_name_suggests_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean {right}"):
        backbones.create_model(wrong)


def test_a_name_unlike_any_other_lists_them_all() -> None:
    with pytest.raises(ConfigError) as caught:
        backbones.create_model("xyz")
    assert all(name in str(caught.value) for name in backbones.list_models())


@pytest.mark.parametrize("size", [(31, 384), (384, 31), (0, 0)])
@pytest.mark.parametrize("name", NANO)
def test_a_training_size_below_32_pixels_is_refused(name: str, size: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="below 32 x 32"):
        backbones.create_model(name, input_size=size)


@pytest.mark.parametrize("name", ["biformer_t", "davit_tiny"])
def test_the_drop_path_rate_can_be_replaced(name: str) -> None:
    def last_rate(**options: float) -> float:
        with torch.device("meta"):
            net = backbones.create_model(name, **options)
        return [module.rate for module in net.modules() if isinstance(module, DropPath)][-1]

    assert last_rate() == 0.1
    assert last_rate(drop_path_rate=0.0) == 0.0
    assert last_rate(drop_path_rate=0.35) == 0.35


def test_the_window_of_davit_follows_the_training_size_unless_it_is_given() -> None:
    assert backbones.create_model("davit_nano", input_size=(384, 256)).window_size == (12, 8)
    assert backbones.create_model("davit_nano", config={"window_size": (7, 7)}).window_size == (7, 7)


@pytest.mark.parametrize("name", NANO)
def test_configurations_are_copies(name: str) -> None:
    config = get_config(name)
    config["drop_path_rate"] = 0.9
    assert get_config(name)["drop_path_rate"] == 0.0


@pytest.mark.parametrize("name", NANO)
def test_without_classes_the_embedding_is_the_output(name: str) -> None:
    net = backbones.create_model(name, 0, input_size=(64, 64)).eval()
    image = torch.randn(1, 3, 64, 64)
    assert net(image).shape == (1, 256)
    assert torch.equal(net(image), net.embedding(image))
    net.reset_classifier(7)
    assert net(image).shape == (1, 7)


@pytest.mark.parametrize("name", NANO)
def test_infrared_images_have_one_channel(name: str) -> None:
    net = backbones.create_model(name, 3, input_size=(64, 64), in_channels=1).eval()
    assert net(torch.randn(1, 1, 64, 64)).shape == (1, 3)
