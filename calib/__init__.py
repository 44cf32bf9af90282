"""INT8: choose frames, collect ranges, insert Q/DQ, measure what it cost."""
