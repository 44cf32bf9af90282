"""Devices: memory, streams, events and kernels of a GPU."""
