"""Published networks: one module per architecture, parameters named as its published checkpoints name them.

`registry` lists them under the names that farshore uses.
"""
