"""How long to wait before one asks again."""

SHORTEST_S, LONGEST_S = 0.02, 0.1


def pause_s(waited_s: float) -> float:
    """A tenth of what was waited so far, at most 0.1 s: so late is a claim seen, and asking costs little.

    Asked every 20 ms, 17 faults took 142 processor seconds, and 135 with pauses of up to 0.5 s.
    What is true for less than the pause may be missed: wait for what stays.
    """
    return min(max(waited_s / 10, SHORTEST_S), LONGEST_S)
