"""The `farshore` command: one module per command, the error policy in `main.py`."""
