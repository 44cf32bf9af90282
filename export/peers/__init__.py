"""Networks in PyTorch beside farshore's engines, on the same GPU with the same weights: for `make gpu-check`.

`python -m export.peers` runs in an environment with a PyTorch for that GPU, which is another than the engines' own.
"""
