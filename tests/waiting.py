"""How long to wait before one asks again."""

SHORTEST_S, LONGEST_S = 0.02, 0.5


def pause_s(waited_s: float) -> float:
    """A tenth of what was waited so far: a claim is seen late by that much at most, and asking costs little.

    Asked every 20 ms, the gateway and the database of a test spent a third of a core on answering *not yet*.
    What is true for less than the pause may be missed: wait for what stays.
    """
    return min(max(waited_s / 10, SHORTEST_S), LONGEST_S)
