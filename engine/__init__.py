"""The streaming runtime: frames, models, backends, stages, pipeline, film in and out."""
