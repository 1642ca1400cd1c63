"""COCO files in: reading, checking, mending, converting, and turning them into batches."""
