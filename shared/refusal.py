"""What the wording of a text gives away: that it is a refusal, or that it breaks off."""

import re

HEAD_CHARS = 400
"""A refusal opens the reply. Further down the same words are talk about errors, or a caveat."""

WILL_NOT = (
    r"(?:can(?:not|'t| not)|could(?: not|n't)|won't|will not|am (?:not able|unable)|'m (?:not able|unable|not going)"
    r"|am not going|must decline|have to decline|decline|refuse)"
)
DEED = (
    r"(?:help|assist|do (?:that|this|it)|complete|comply|continue|fulfil+|perform|proceed|provide|carry"
    r"|make (?:that|this)|support|create|write|generate|work on|implement"
    r"|to (?:help|assist|do|comply|continue|complete|proceed|perform))"
)
REFUSES = re.compile(
    rf"^\W*(?:(?:i'?m |i am )?(?:very |really |so )?sorry\b[^.!?\n]{{0,40}}?[,.:;—-]?\s*(?:but )?|unfortunately,?\s*"
    rf"|i apologi[sz]e[^.!?\n]{{0,60}}[,.]?\s*(?:but )?|as an ai[^.!?\n]{{0,60}},\s*)*"
    rf"i(?: just| simply| respectfully)? ?{WILL_NOT}\b[^.!?\n]{{0,30}}?\b{DEED}\b",
    re.IGNORECASE,
)
CURT = re.compile(r"\W*(?:no|nope|no way|never|absolutely not|i refuse|i decline|request denied)\W*", re.IGNORECASE)


def refuses(text: str) -> bool:
    """Return whether *text* opens with a refusal ("I'm sorry, but I can't help with that"), or is nothing else."""
    head = text[:HEAD_CHARS].replace("\u2019", "'").strip()
    return bool(REFUSES.match(head) or CURT.fullmatch(text[:HEAD_CHARS].strip()))


OPEN_END = re.compile(
    r"(?:[,;(\[{]|\b(?:and|or|but|the|a|an|to|of|with|because|which|that|is|are|in|for))\s*$", re.IGNORECASE
)


def breaks_off(text: str) -> bool:
    """Return whether *text* ends in the middle: after a comma or a joining word, or inside of a block of code."""
    return text.count("```") % 2 == 1 or bool(OPEN_END.search(text.rstrip()[-80:]))
