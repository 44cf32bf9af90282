"""What each kernel must compute, in NumPy, written to be read rather than to be fast."""
