"""Train a detector in a loop of one's own: Hoopoe's network is a plain torchvision-style module.

python examples/train_own_loop.py train.json photos mine.safetensors
"""

import json
import sys
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import pil_to_tensor

import detector as hp


class Birds(Dataset):
    """Images, at the size that they have in the network, and targets of a COCO file."""

    def __init__(self, annotations: str, folder: str) -> None:
        document = json.loads(Path(annotations).read_text())
        self.names = [category["name"] for category in document["categories"]]
        self.labels = {category["id"]: label for label, category in enumerate(document["categories"])}  # from 0
        self.images, self.folder, self.size_rule = document["images"], Path(folder), None
        self.birds, self.crowds = ({image["id"]: [] for image in self.images} for _ in range(2))
        for box in document["annotations"]:
            (self.crowds if box.get("iscrowd") else self.birds)[box["image_id"]].append(box)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        record = self.images[index]
        image = ImageOps.exif_transpose(Image.open(self.folder / record["file_name"])).convert("RGB")
        width, height = self.size_rule.size(image.size)
        scale = torch.tensor([width / image.width, height / image.height]).repeat(2)
        birds, crowds = self.birds[record["id"]], self.crowds[record["id"]]
        labels = torch.tensor([self.labels[bird["category_id"]] for bird in birds], dtype=torch.int64)
        target = {"boxes": corners(birds) * scale, "labels": labels}
        target["ignored"] = corners(crowds) * scale  # nothing in them is taught as background
        return pil_to_tensor(image.resize((width, height))), target


def corners(annotations: list[dict]) -> torch.Tensor:
    """Boxes (N, 4), from x, y, width, height."""
    boxes = torch.tensor([each["bbox"] for each in annotations], dtype=torch.float32).reshape(-1, 4)
    return torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1)


def main(annotations: str, folder: str, output: str, config: str = "faster_rcnn_davit_tiny", epochs: int = 10) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    birds = Birds(annotations, folder)
    loader = DataLoader(birds, batch_size=4, shuffle=True, collate_fn=lambda batch: tuple(zip(*batch, strict=True)))

    net = hp.build_detector(config, categories=birds.names).to(device)
    birds.size_rule = hp.Detector.of(net).size_rule
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=0.05)
    for epoch in range(epochs):
        for images, targets in loader:
            images = [image.to(device) for image in images]
            targets = [{name: value.to(device) for name, value in target.items()} for target in targets]
            losses = net(images, targets)  # a dict: loss_classifier, loss_box_reg, ...
            loss = sum(losses.values())
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
        print(f"epoch {epoch}: loss {loss.item():.3f}")

    trained = hp.Detector.of(net)  # what the rest of Hoopoe takes
    trained.save(output)
    first = Path(folder) / birds.images[0]["file_name"]
    print(hp.predict(trained, first, score_threshold=0.05))


if __name__ == "__main__":
    main(*sys.argv[1:4])
