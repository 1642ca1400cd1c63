"""The classifier's loop: it learns what can be learnt, and the seed decides everything."""

import torch
from torch import nn

from detector.species.gate import energy
from detector.training.classifier.loop import (
    BIRD_ENERGY,
    OUTLIER_ENERGY,
    ClassifierRecipe,
    energy_loss,
    train_classifier,
)


def small_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 2))


def bright_and_dark(count: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.arange(count) % 2
    noise = torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    return noise + 2.0 * (labels * 2 - 1)[:, None, None, None], labels


def test_learns_bright_from_dark() -> None:
    net, (images, labels) = small_net(), bright_and_dark()
    losses = list(train_classifier(net, images, labels, ClassifierRecipe(epochs=10, batch_size=16, learning_rate=1e-2)))
    assert losses[-1] < 0.5 * losses[0]
    assert not net.training
    assert (net(images).argmax(1) == labels).all()


def test_same_seed_gives_the_same_weights_and_another_another() -> None:
    images, labels = bright_and_dark()
    weights = []
    for seed in (3, 3, 4):
        net = small_net()
        for _ in train_classifier(net, images, labels, ClassifierRecipe(epochs=2, seed=seed)):
            pass
        weights.append(torch.cat([parameter.detach().flatten() for parameter in net.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_fewer_pictures_than_a_batch_still_train() -> None:
    images, labels = bright_and_dark(5)
    assert len(list(train_classifier(small_net(), images, labels, ClassifierRecipe(epochs=2, batch_size=32)))) == 2


def test_outliers_get_higher_energies_and_the_classes_are_still_learnt() -> None:
    images, labels = bright_and_dark()
    striped = 4.0 * torch.tensor([1.0, -1.0, 1.0, -1.0]).expand(32, 3, 4, 4)
    net = small_net()
    list(train_classifier(net, images, labels, ClassifierRecipe(epochs=30, batch_size=16, learning_rate=1e-2), striped))
    assert (net(images).argmax(1) == labels).all()
    birds, others = (energy(net(each).detach().numpy()) for each in (images, striped))
    assert birds.max() < others.min()


def test_energies_beyond_their_margins_cost_nothing() -> None:
    birds, others = torch.tensor([[-BIRD_ENERGY + 1, -50.0]]), torch.tensor([[-OUTLIER_ENERGY - 1, -50.0]])
    assert energy_loss(torch.cat([birds, others]), birds=1) == 0
    assert energy_loss(torch.cat([others, birds]), birds=1) > 0
