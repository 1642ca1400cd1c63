"""COCO files into packed annotations."""
