"""Published checkpoints: where they are, on what terms, fetched, checked, read without running anything, and known.

Only `tensors`, `identify` and `weights` import torch: listing, fetching and verifying need none.
"""
