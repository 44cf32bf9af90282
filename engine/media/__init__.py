"""Films, pictures and sound in and out."""
