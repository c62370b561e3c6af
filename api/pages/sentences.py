"""What somebody else wrote, as a sentence of ours."""


def sentence(text: str, longest: int) -> str:
    """Every character of it, and a sign where the rest is left out."""
    short = text if len(text) <= longest else f"{text[:longest]}\u2026"
    return short if short.endswith((".", "!", "?", "\u2026")) else f"{short}."
