"""How good the models are, on held-out material, beside what classical filters can do."""
