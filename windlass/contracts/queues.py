"""Task queues: where work waits for a worker role."""

RUNS = "runs"
