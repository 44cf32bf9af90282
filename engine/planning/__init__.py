"""Says beforehand what a machine can restore live: `farshore plan`."""
