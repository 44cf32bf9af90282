"""How long each stage takes, and the chain of all of them."""
