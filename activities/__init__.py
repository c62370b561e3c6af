"""Side effects: everything Windlass does to the outside world."""
