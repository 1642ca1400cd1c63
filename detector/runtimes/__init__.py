"""Dense parts of networks in other runtimes than torch: OpenVINO, ONNX Runtime, and torch's own ahead-of-time compiler.

A network is cut into dense parts (a detector's backbone with its heads, its box head; a classifier), which are most of
its cost and know nothing of birds. A part is a module from tensors to tensors, whatever runs it; box decoding,
suppression and RoIAlign stay torchvision's. A folder of `hoopoe export-model` holds parts, and says what they are.
"""
