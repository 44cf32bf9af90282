"""What runs models: one interface, one module per library."""
