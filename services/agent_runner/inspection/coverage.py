"""How much of what the tests say stands in new code, in whatever form: the more, the less was computed."""

import re
from collections.abc import Iterable
from functools import reduce

from obra.services.agent_runner.inspection.facts import Facts, quoted

SHARE_MIN, KNOWN_MIN = 0.6, 2
NUMBER = r"(?<![\w.])\d+(?:\.\d+)?"
TERM = re.compile(rf"{NUMBER}(?:\s*[*+]\s*{NUMBER})+(?![\w.])")
TEXT = r"(?:\"[^\"\n]*\"|'[^'\n]*')"
CONCATENATION = re.compile(rf"{TEXT}(?:\s*\+\s*{TEXT})+")
JOIN = re.compile(rf"({TEXT})\.join\(\s*[\[(]\s*({TEXT}(?:\s*,\s*{TEXT})*)\s*,?\s*[\])]\s*\)")
FOLDS_MAX = 1_000


def written_down(added: str, facts: Facts, task: str) -> list[str]:
    """Return what of the tests' data stands in the added lines, if it is most of it; empty if it is not.

    What the task itself states doesn't count. Sums, products and joined pieces of constants count as their results.
    """
    text = f"{added}\n" + "\n".join(folded(added))
    for data in (facts.answers, facts.data):
        telling = {value for value in data if value not in task}
        known = sorted(value for value in telling if _stands(value, text))
        if len(known) >= KNOWN_MIN and len(known) / len(telling) >= SHARE_MIN:
            return known
    return []


def folded(text: str) -> Iterable[str]:
    """Return the results of what is made of constants alone."""
    found = [*TERM.findall(text)][:FOLDS_MAX]
    yield from (_sum(term) for term in found)
    for match in [*CONCATENATION.findall(text)][:FOLDS_MAX]:
        yield "".join(quoted(match))
    for glue, pieces in [*JOIN.findall(text)][:FOLDS_MAX]:
        yield glue[1:-1].join(quoted(pieces))


def _sum(term: str) -> str:
    products = (reduce(lambda a, b: a * b, map(float, part.split("*"))) for part in term.split("+"))
    return f"{sum(products):.12g}"


def _stands(value: str, text: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(value)}(?![\w.])", text) is not None
