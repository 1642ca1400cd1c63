"""Augmentation: pure functions of a seed, an epoch and an image."""
