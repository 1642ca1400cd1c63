"""How good a detector is: COCO AP, curves, error breakdown, and the files that `hoopoe evaluate` writes."""
