"""Other formats of boxes to COCO."""
