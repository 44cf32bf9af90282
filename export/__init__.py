"""PyTorch → ONNX: the only room that imports torch."""
