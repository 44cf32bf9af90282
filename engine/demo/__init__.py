"""The demonstration: a film that farshore draws, ages, restores and compares with its truth."""
