"""The exit codes of the command that are not the shell's own."""

REFUSED = 3  # the gateway said no, or knows no such thing
UNREACHABLE = 4
INTERRUPTED = 130
