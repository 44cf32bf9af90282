"""Commands of this room for the `farshore` program, found by the entry-point group `farshore.commands`."""
