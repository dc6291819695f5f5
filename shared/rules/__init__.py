"""The rules that prompts tell agents: data in a YAML file, chosen by the kind of task, some checkable afterwards."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from obra.shared.errors import BadSetting
from obra.shared.rules.kind import DEFAULT, KINDS
from obra.shared.rules.verdict import CHECKS

FILE = "rules.yaml"
BYTES_MAX = 256 * 1024
Id = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]*\.[a-z][a-z0-9-]*$", max_length=64)]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sentence that an agent is told. ``check`` names one of `CHECKS`; empty: nobody can check it by program."""

    id: Id
    text: Annotated[str, Meta(min_length=1, max_length=500)]
    check: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Annotated[int, Meta(ge=1, le=1)]
    kinds: dict[str, tuple[str, ...]] = {}
    domains: dict[str, tuple[Rule, ...]] = {}


@dataclass(frozen=True, slots=True)
class Book:
    """All rules by domain, and the domains of each kind of task. ``sha256`` is that of the files it was read from."""

    sha256: str
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    domains: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)

    def chosen(self, kind: str) -> tuple[Rule, ...]:
        """Return the rules for a task of *kind*, in the order of its domains; an unknown kind is told those of code."""
        return tuple(rule for domain in self.kinds.get(kind, self.kinds[DEFAULT]) for rule in self.domains[domain])

    def find(self, identity: str) -> Rule | None:
        """Return the rule of that id."""
        return next((rule for rule in self if rule.id == identity), None)

    def __iter__(self) -> Iterator[Rule]:
        """Yield every rule."""
        return (rule for rules in self.domains.values() for rule in rules)


@cache
def load(own: str = "") -> Book:
    """Return the rules that ship with Obra, with those of the file *own* beside them.

    A domain in *own* is added, or stands in place of the shipped one of that name (an empty list takes it away); so
    does a kind. Raises `BadSetting`, which names the file and what is wrong in it.
    """
    shipped = files(__name__).joinpath(FILE).read_bytes()
    book = _read(shipped, FILE)
    kinds, domains, data = dict(book.kinds), dict(book.domains), shipped
    if own:
        try:
            more = Path(own).expanduser().read_bytes()
        except OSError as error:
            raise BadSetting(where="prompt.rules", problem=f"{own} can't be read: {error.strerror}") from error
        theirs = _read(more, own)
        kinds, domains, data = {**kinds, **theirs.kinds}, {**domains, **theirs.domains}, shipped + more
    whole = Book(hashlib.sha256(data).hexdigest(), kinds, domains)
    if problem := next(_problems(whole), ""):
        raise BadSetting(where=own or FILE, problem=problem)
    return whole


def _read(data: bytes, where: str) -> _File:
    import yaml  # noqa: PLC0415 - 15 ms; only whoever writes prompts pays

    if len(data) > BYTES_MAX:
        raise BadSetting(where=where, problem=f"rules of more than {BYTES_MAX:,} bytes are none")
    try:
        tree: Any = yaml.safe_load(data)
        return msgspec.convert(tree, _File)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise BadSetting(where=where, problem=f"can't be read as YAML: {' '.join(str(error).split())}") from error
    except msgspec.ValidationError as error:
        raise BadSetting(where=where, problem=str(error)) from error


def _problems(book: Book) -> Iterator[str]:
    ids = [rule.id for rule in book]
    yield from (f"the id {each!r} is there twice" for each in ids if ids.count(each) > 1)
    yield from (f"there is no check {rule.check!r}" for rule in book if rule.check and rule.check not in CHECKS)
    for kind, wanted in book.kinds.items():
        if kind not in KINDS:
            yield f"there is no kind {kind!r}; there are: {', '.join(KINDS)}"
        yield from (
            f"kind {kind!r} wants a domain {each!r} that is not there" for each in wanted if each not in book.domains
        )
