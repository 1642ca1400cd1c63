"""The common baseline: torchvision's detectors on ResNet-50, and what ours can take over of them."""
