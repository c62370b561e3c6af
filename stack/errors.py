"""What a person has to know: the message says what happened, what was kept, and what to do next."""


class StackError(RuntimeError):
    """Something about this machine or this home stops a command; its text is all there is to say."""
