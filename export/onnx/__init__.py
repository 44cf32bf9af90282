"""From published networks to ONNX models that say what they are: adapt, fold, export, tidy, halve, check.

`recipes` says for each network what its model takes and gives, `write` makes the file.
"""
