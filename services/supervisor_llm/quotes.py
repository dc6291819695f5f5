"""Quotes: what a model says to have copied is looked for in what it was shown."""

QUOTE_CHARS_MIN = 3
"""A shorter quote is found nearly everywhere and shows nothing."""


def flat(text: str) -> str:
    """Return *text* with white space made even."""
    return " ".join(text.split())


def found(quote: str, words: str, shortest: int = QUOTE_CHARS_MIN) -> str:
    """Return *quote* if it stands in *words*, which are `flat`, apart from white space; empty if not."""
    copied = flat(quote)
    return quote if len(copied) >= shortest and copied in words else ""
