"""The one-machine stack: real processes, real kills."""
