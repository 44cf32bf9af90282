"""TensorRT 10 and 11, and TensorRT for RTX: engines built ahead of time and kept as plans.

The contract and the decisions are in `engine/backends/README.md`. `ensure.ensure_plan` is the way in.
"""
