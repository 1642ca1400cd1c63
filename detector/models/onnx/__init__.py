"""Detectors of other programs, in ONNX files: YOLO of all years, YOLOX, RT-DETR, RF-DETR, and so MegaDetector."""
