"""Task queues: where work waits for a worker role."""

RUNS = "runs"


def desktops(node: str, boot: str) -> str:
    """The queue of the container engine of one machine, until that machine starts anew."""
    return f"desktops/{node}/{boot}"
