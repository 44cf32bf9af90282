"""CUDA kernels: their sources, a NumPy reference for each, and how they are compiled. Imports no other room."""
