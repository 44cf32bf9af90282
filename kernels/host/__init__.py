"""Runs the kernels' own sources on the processor, for tests and for whoever writes a kernel."""
