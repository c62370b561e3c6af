"""What happens, in which order, whatever crashes: deterministic workflows."""
