"""The steps of the chain, one module each."""
