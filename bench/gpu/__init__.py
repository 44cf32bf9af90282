"""What a GPU computes, and how fast: every kernel and model against its reference, and the chain."""
