"""Looks whether a machine can run farshore, and says what to do where it cannot: `farshore doctor`."""
