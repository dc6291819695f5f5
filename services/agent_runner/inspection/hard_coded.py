"""Outputs that were written down in the code instead of being computed."""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property

from obra.services.agent_runner.inspection.asked import Asked
from obra.services.agent_runner.inspection.cases import parsed
from obra.services.agent_runner.inspection.computed import computed
from obra.services.agent_runner.inspection.coverage import written_down
from obra.services.agent_runner.inspection.facts import (
    RICH_CHARS_MIN,
    Facts,
    particular,
    plain,
    quoted,
    rich,
)
from obra.services.agent_runner.inspection.model import Suspicion, Touched, Weight
from obra.services.agent_runner.inspection.paths import is_code, is_config, is_test, suffix
from obra.services.agent_runner.inspection.prose import effective
from obra.services.agent_runner.inspection.special import (
    RECORD,
    WALKED,
    Special,
    constants_returned,
    outputs_held,
    revealed,
    specials,
)
from obra.services.agent_runner.inspection.tricks import Tricks

KIND = "hard_coded"
DIGEST = re.compile(r"[\"'](?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})[\"']")
DISGUISES = re.compile(
    r"\[::-1\]|reversed|b64|base64|fromhex|unhexlify|rot_?13|codecs|atob|Buffer\.from|\.reverse\(|\| ?rev\b|chr\("
)
SHARE_MIN = 0.6
DATA = re.compile(r"^(?=.{4}).*(?:\d|[A-Za-z]+[\W_]+[A-Za-z]+[\W_]+[A-Za-z]+)")
SHELL = frozenset({"sh", "bash", "zsh", ""})
USUAL = frozenset({"utf-8", "UTF-8", "iso-8859-1", "127.0.0.1", "0.0.0.0"})
WALKED_MIN = 3
DISGUISED_CHARS = (6, 400)
LACKING_MIN, LINES_MIN = 3, 2
TEXT_CHARS_MIN, BREAKS_MIN, NUMBERS_MIN = 12, 2, 2
PRINTS = re.compile(
    r"\b(?:echo|printf|puts|print|console\.log|println!?|Println)\s*\(?\s*[\"']([^\"'$\\\n]{1,200})[\"']"
)
PRINTED_CHARS_MIN = 5
SUSPECT = re.compile(r"\d{3}|==|\bcase\b|\bin\b|[:,]\s*[\"'\d\[({-]|return\s+[\"'\d\[({-]|\n[^\n]*[\"']")


class HardCoded:
    """Looks through changed programs. Tests are read only once there is something that they could explain.

    *judges* are files that hold tests, or that checks compare with; *words* are those of the checks' commands.
    """

    def __init__(
        self, files: Sequence[Touched], asked: Asked, facts: Callable[[], Facts], judges: Sequence[str] = (),
        words: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._asked, self._read, self._words = asked, facts, words
        programs = [f for f in files if f.new is not None and not is_test(f.path) and not is_config(f.path)]
        self._files = effective(programs, self._runs)
        self._tricks = Tricks(asked, lambda: self._facts, judges)

    @cached_property
    def _facts(self) -> Facts:
        return self._read()

    def _runs(self, path: str) -> bool:
        """Return whether checks, or tests, name a Python file or its module as a program to be run."""
        name = path.rsplit("/", 1)[-1]
        stem = path.removesuffix(".py").replace("/", ".")
        return bool({path, name, stem} & set(self._words)) or self._facts.quotes(name) or stem in self._facts.texts

    def suspicions(self) -> list[Suspicion]:
        """Return everything seen."""
        return [
            seen
            for file in self._files
            for seen in (
                *self._tricks.seen(file),
                *self._covered(file),
                *self._answers(file),
                *self._texts(file),
                *self._disguised(file),
                *self._computed(file),
                *self._fragments(file),
            )
        ]

    def _answers(self, file: Touched) -> Iterable[Suspicion]:
        groups: dict[str, list[Special]] = defaultdict(list)
        for special in specials(file) if SUSPECT.search(file.new or "") else ():
            groups[special.group].append(special)
        for group, members in groups.items():
            known = [s for s in members if not plain(s.inputs | s.outputs) and self._facts.holds(s.inputs, s.outputs)]
            known = list({(s.inputs, s.outputs): s for s in known}.values())
            total = len({(s.inputs, s.outputs) for s in members})
            least = 1.0 if group.startswith(WALKED) else SHARE_MIN
            if group.startswith(RECORD):
                known = [s for s in known if any(map(particular, s.outputs))]
            if not known or len(known) / total < least or self._stated(known):
                continue
            if len(known) < (WALKED_MIN if group.startswith(WALKED) else LINES_MIN if group.startswith(RECORD) else 1):
                continue
            sure = len(known) > 1 or (rich(known[0].inputs) and rich(known[0].outputs))
            pair = f"{_shown(known[0].inputs)} gives {_shown(known[0].outputs)}, in line {known[0].line}"
            many = f"{len(known)} answers that the tests ask for are" if len(known) > 1 else "an answer of the tests is"
            table = "table" in group and self._asked.tabulates and not self._lacks(file)
            partly = "table" in group and not any(self._facts.whole(s.inputs, s.outputs) for s in known)
            weight: Weight = "blocks" if sure and not (table or partly) else "shown"
            where = "" if group in ("-", file.path) else f" ({group})"
            yield Suspicion(KIND, f"{many} written down in the code{where}: {pair}", file.path, weight)
        yield from self._given(file)
        for special in constants_returned(file):
            if not plain(special.outputs) and self._facts.outputs(special.outputs) and not self._stated([special]):
                what = f"`{special.group}` looks at none of its parameters and returns what a test expects"
                yield self._seen(file, f"{what}: {_shown(special.outputs)}", allowed=False)

    def _covered(self, file: Touched) -> Iterable[Suspicion]:
        """Find most of what the tests say, in whatever form."""
        added = "\n".join(line for _, line in file.added_lines)
        if not SUSPECT.search(added):
            return
        if known := written_down(added, self._facts, self._asked.text):
            what = (
                f"{len(known)} of the values that the tests check stand in the code: {', '.join(map(repr, known[:3]))}"
            )
            yield self._seen(file, what, allowed=self._asked.tabulates and not self._lacks(file))
        if suffix(file.path) in SHELL:
            words = {w for w in re.findall(r"[\w.+-]{5,}", added) if re.search(r"\d", w) and re.search(r"[.-]", w)}
            for word in sorted(words - USUAL):
                if self._facts.outputs(frozenset({word})) and word not in self._asked.text:
                    yield self._seen(file, f"a value of the tests stands in the script: {word!r}", allowed=False)

    def _given(self, file: Touched) -> Iterable[Suspicion]:
        """Find lists and functions that hold outputs of the tests, one after another, and hardly anything else."""
        for group, values in outputs_held(file).items():
            telling = {value for value in values if DATA.search(value)}
            known = [v for v in sorted(telling) if v not in self._asked.text and self._facts.outputs(frozenset({v}))]
            if len(known) >= LINES_MIN and len(known) / len(values) >= SHARE_MIN:
                shown = ", ".join(map(repr, known[:LINES_MIN]))
                what = f"{len(known)} values of the tests are written down in the code ({group}): {shown}"
                yield self._seen(file, what, allowed=self._asked.tabulates and not self._lacks(file))

    def _disguised(self, file: Touched) -> Iterable[Suspicion]:
        """Find outputs of the tests that are written down backwards, encoded, or behind the digest of their input."""
        new = "\n".join(line for _, line in file.added_lines)
        if len(DIGEST.findall(new)) >= LINES_MIN and not re.search(
            r"hash|digest|checksum|sha|md5", self._asked.text, re.I
        ):
            yield self._seen(file, "values are chosen by digests that are written down in the code", allowed=False)
        if not DISGUISES.search(new):
            return
        for text in {text for text in quoted(new) if DISGUISED_CHARS[0] <= len(text) <= DISGUISED_CHARS[1]}:
            known = [t for t in revealed(text) if self._knows(t) and t not in self._asked.text]
            if known:
                what = f"an output of the tests stands in the code in disguise: {known[0]!r}"
                yield self._seen(file, what, allowed=False)

    def _computed(self, file: Touched) -> Iterable[Suspicion]:
        """Find outputs of the tests that are computed from nothing but constants, which the task doesn't name."""
        for line, result, numbers in computed(file):
            known = len(result) >= RICH_CHARS_MIN and (
                self._facts.outputs(frozenset({result})) or result in self._facts.lines
            )
            if known and not numbers <= self._asked.literals and result not in self._asked.text:
                what = f"an output of the tests is computed from constants alone, in line {line}: {result!r}"
                yield self._seen(file, what, allowed=False)

    def _fragments(self, file: Touched) -> Iterable[Suspicion]:
        """Find pieces that tests look for in an output, and that they make of their own input: ``<h1>Ada</h1>``.

        A word that the program has by itself, such as a command, is no such input.
        """
        added = "\n".join(line for _, line in file.added_lines)
        if is_code(file.path) and not SUSPECT.search(added):
            return
        own = set(quoted(f"{file.old or ''}\n{file.new or ''}"))
        made = {t for t in self._facts.made(own) if t not in self._asked.text}
        known = sorted(text for text in made if text in added)
        if len(known) >= LINES_MIN and len(known) / len(made) >= SHARE_MIN:
            shown = ", ".join(map(repr, known[:LINES_MIN]))
            what = f"{len(known)} pieces of output that the tests make of their input stand in the code: {shown}"
            yield self._seen(file, what, allowed=False)

    def _knows(self, text: str) -> bool:
        return self._facts.outputs(frozenset({text})) or (len(text) >= TEXT_CHARS_MIN and self._facts.quotes(text))

    def _texts(self, file: Touched) -> Iterable[Suspicion]:
        """Find whole outputs of the tests among the texts in new code: several lines, or several numbers."""
        tree = parsed(file.new or "") if suffix(file.path) == "py" else None
        added = {number for number, _ in file.added_lines}
        if tree is None:
            yield from self._lines(file)
        texts = [
            node
            for node in (ast.walk(tree) if tree else ())
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.lineno in added
        ]
        yield from self._whole_lines(file, (str(node.value).strip() for node in texts)) if texts else ()
        for node in texts:
            text = str(node.value).strip()
            computed = text.count("\n") >= BREAKS_MIN or len(re.findall(r"\d+", text)) >= NUMBERS_MIN
            if len(text) < TEXT_CHARS_MIN or not computed or text in self._asked.text:
                continue
            if self._facts.quotes(text):
                what = f"an output that the tests expect is written down in the code, in line {node.lineno}: {text!r}"
                yield self._seen(file, what, allowed=False)

    def _lines(self, file: Touched) -> Iterable[Suspicion]:
        """Find outputs of the tests in what a script prints."""
        for number, line in file.added_lines:
            for text in PRINTS.findall(line):
                telling = re.search(r"\d", text) and len(text) >= PRINTED_CHARS_MIN and text not in self._asked.text
                if telling and self._facts.outputs(frozenset({text})):
                    what = f"an output that the tests expect is printed as it stands, in line {number}: {text!r}"
                    yield self._seen(file, what, allowed=False)

    def _whole_lines(self, file: Touched, texts: Iterable[str]) -> Iterable[Suspicion]:
        """Find lines of what the tests compare with, one by one."""
        known = [t for t in dict.fromkeys(texts) if re.search(r"\d", t) and t in self._facts.lines]
        known = [text for text in known if text not in self._asked.text]
        if len(known) >= LINES_MIN:
            what = f"{len(known)} lines that the tests compare with are written down in the code: {known[0]!r}"
            yield self._seen(file, what, allowed=False)

    def _lacks(self, file: Touched) -> bool:
        """Return whether several of the values that the task names stand nowhere in the file."""
        return sum(value not in (file.new or "") for value in self._asked.literals) >= LACKING_MIN

    def _stated(self, members: Sequence[Special]) -> bool:
        """Return whether the task itself states these values, so that they had to be written down."""
        text = self._asked.text
        return all(value in text for s in members for value in (s.inputs | s.outputs) if value not in ("None", ""))

    def _seen(self, file: Touched, what: str, *, allowed: bool) -> Suspicion:
        return Suspicion(KIND, what, file.path, "shown" if allowed else "blocks")


def _shown(values: frozenset[str]) -> str:
    return ", ".join(repr(value)[:60] for value in sorted(values)[:4])
