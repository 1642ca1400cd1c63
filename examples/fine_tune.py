"""Fine-tune a detector on boxes of one's own with Hoopoe's loop, and see what it has become.

    python examples/fine_tune.py train.json val.json photos runs/mine

Everything that can be wrong with the data is found before the first step. Ctrl-C saves, and `resume=True` goes on
exactly there.
"""

import sys

import detector as hp


def main(
    train: str, val: str, photos: str, output: str, config: str = "faster_rcnn_davit_tiny", epochs: int = 12
) -> None:
    run = hp.train(
        config,
        train=(train, photos),
        val=(val, photos),
        output=output,
        set={"train.epochs": epochs, "train.lr": 1e-4},
        # init="runs/other" starts from another detector, also from one of other categories
    )
    for evaluated in run.metrics:
        print(f"epoch {evaluated['epoch']}: AP {evaluated['AP']:.3f}, AP50 {evaluated['AP50']:.3f}")

    evaluation = hp.evaluate(run.best, val, photos, output=f"{output}/evaluation")
    print(f"AP50 {evaluation.metrics.AP50:.3f}; best score to cut at: {evaluation.sweep.best_threshold:.2f}")
    for name, figures in evaluation.metrics.per_class.items():
        print(f"  {name}: AP {figures.AP}")
    for miss in evaluation.misses[:3]:
        print(f"  missed in image {miss.image_id}: {miss.category}")
    print(f"figures and pictures of the worst mistakes: {output}/evaluation")


if __name__ == "__main__":
    main(*sys.argv[1:5])
