"""Cases of every kernel: odd sizes, padded rows, extremes of range. One module per source, with `cases(element)`."""
