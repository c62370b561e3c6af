"""The exit codes of the command that are not the shell's own."""

FAILED = 1
REFUSED = 3  # the gateway said no, or knows no such thing
UNREACHABLE = 4
INTERRUPTED = 130
UNREAD = 141  # nobody reads the pipe any more: what a shell says of others that SIGPIPE ended
