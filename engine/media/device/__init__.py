"""Films decoded and encoded on a GPU: FFmpeg's surfaces and the chain's planes, without a copy through the host."""
