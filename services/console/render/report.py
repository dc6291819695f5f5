"""What `obra report` tells: the night on one screen, the most urgent first."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from obra.services.console.render.paused import paused
from obra.services.console.render.summary import obra_command
from obra.services.console.render.text import count, duration, money, one_line

Rows = list[dict[str, Any]]
NAMED_MAX = 4
SHOWN_MAX = 20
REASON_CHARS_MAX = 110
NOUNS = {"completed": "accepted", "failed": "not accepted", "rejected": "rejected", "cancelled": "cancelled"}


def told(found: dict[str, Any], project: str) -> Iterator[str]:
    """Yield what a person reads; *project* is the one that need not be named."""
    yield _headline(found)
    yield _spent(found)
    yield from _waiting(found["waiting"], project)
    yield from paused(found["paused"])
    yield from _lost(found["ended"])
    yield from _accepted(found)
    yield from _open(found)
    yield from _trouble(found)
    yield from _next(found)


def _headline(found: dict[str, Any]) -> str:
    since, until = (datetime.fromisoformat(found[key]) for key in ("since", "until"))
    tally = Counter(NOUNS[task["status"]] for task in found["ended"])
    ended = ", ".join(f"{tally[noun]:,} {noun}" for noun in NOUNS.values() if tally[noun]) or "no task ended"
    span = duration((until - since).total_seconds() * 1_000)
    return f"Since {since.astimezone():%a %H:%M}, {span}: {ended}"


def _spent(found: dict[str, Any]) -> str:
    spent, ended = found["spent"], found["ended"]
    if not spent or not spent["runs"]:
        return "no agent has worked"
    lost = sum(task["cost_usd"] or 0 for task in ended if task["status"] != "completed")
    vain = f", {money(lost)} of it in vain" if lost else ""
    tokens = f"{spent['tokens_input']:,} tokens in, {spent['tokens_output']:,} out"
    runs = count(spent["runs"], "run")
    return f"{money(spent['cost_usd'])} spent{vain}; {tokens}; {runs}, {duration(spent['agent_ms'])} of agents' work"


def _section(title: str, lines: list[str], more: str) -> Iterator[str]:
    yield ""
    yield title
    yield from (f"  {line}" for line in lines[:SHOWN_MAX])
    if len(lines) > SHOWN_MAX:
        yield f"  and {len(lines) - SHOWN_MAX:,} more: `{obra_command()} {more}`"


def _waiting(items: Rows, project: str) -> Iterator[str]:
    if items:
        lines = [_item(item, project) for item in items]
        yield from _section(f"{count(len(items), 'thing')} waiting for you:", lines, "inbox")


def _item(item: dict[str, Any], project: str) -> str:
    what = item["question"] or next(iter(item["reasons"]), "") or item["text"]
    name = "question" if item["question"] else item["name"]
    where = "" if item["project"] == project else f" (project {item['project']})"
    return f"{item['task']}{where}  {name}, {item['severity']}: {one_line(what, REASON_CHARS_MAX)}"


def _lost(ended: Rows) -> Iterator[str]:
    """Yield what was not accepted, by the first of its reasons."""
    lost: dict[str, Rows] = {}
    for task in ended:
        if task["status"] != "completed":
            lost.setdefault(one_line(next(iter(task["reasons"]), task["status"]), REASON_CHARS_MAX), []).append(task)
    if not lost:
        return
    lines = []
    for reason, tasks in sorted(lost.items(), key=lambda each: -len(each[1])):
        cost = sum(task["cost_usd"] or 0 for task in tasks)
        lines += [f"{len(tasks):>3}  {reason}" + (f"  ({money(cost)})" if cost else ""), f"     {_named(tasks)}"]
    yield from _section("not accepted, by reason:", lines, "task list --all")


def _named(tasks: Rows) -> str:
    names = [task["task"] for task in tasks]
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more


def _accepted(found: dict[str, Any]) -> Iterator[str]:
    texts = {(task["repo"], task["branch"]): task for task in found["ended"] if task["branch"]}
    repos = dict.fromkeys(merge["repo"] for merge in found["merges"])
    for repo in repos:
        here = [merge for merge in found["merges"] if merge["repo"] == repo]
        states = Counter(merge["state"] for merge in here)
        parts = {"clean": "to merge", "conflict": "in conflict", "merged": "merged already", "gone": "gone",
                 "contained": "within others"}  # fmt: skip
        tally = ", ".join(f"{states[state]} {words}" for state, words in parts.items() if states[state])
        lines = [_merge(merge, texts.get((repo, merge["branch"]))) for merge in _ordered(here)]
        yield from _section(f"accepted work in {repo}: {tally or 'unknown'}", lines, "report --json")


def _ordered(merges: Rows) -> Rows:
    """Return what needs a look first; what is merged already needs none."""
    order = {"conflict": 0, "untried": 1, "clean": 2, "gone": 3}
    return sorted((each for each in merges if each["state"] in order), key=lambda each: order[each["state"]])


def _merge(merge: dict[str, Any], task: dict[str, Any] | None) -> str:
    if not merge["branch"]:
        return one_line(merge["reason"])
    text = f"  {one_line(task['text'], 60)}" if task else ""
    match merge["state"]:
        case "conflict":
            files = ", ".join(merge["files"][:NAMED_MAX])
            return f"{merge['branch']} conflicts with {merge['other'] or 'what is checked out'} in {files}"
        case "untried":
            return f"{merge['branch']}: whether it can be merged was not tried: {one_line(merge['reason'])}"
        case "gone":
            return f"{merge['branch']} is there no more{text}"
        case _:
            return f"{merge['branch']}{text}"


def _open(found: dict[str, Any]) -> Iterator[str]:
    if found["open"]:
        counts = ", ".join(f"{n:,} {status}" for status, n in found["open"].items())
        rest = "" if found["running"] else f"; Obra does not run: `{obra_command()} up` goes on with them"
        yield ""
        yield f"not over: {counts}{rest}"


def _trouble(found: dict[str, Any]) -> Iterator[str]:
    outages = found["outages"]
    if outages and outages["waits"]:
        times, tasks = count(outages["waits"], "time"), count(outages["tasks"], "task")
        yield ""
        yield f"the provider was waited for {times}, by {tasks}; the last time: {one_line(outages['reason'] or '')}"
    if found["lacking"]:
        lines = [
            f"{row['what']}: {one_line(row['reason'], REASON_CHARS_MAX)} ({count(row['times'], 'time')}, "
            f"the last one {row['task']})"
            for row in found["lacking"]
        ]
        yield from _section("lacking:", lines, "sql 'FROM error'")


def _next(found: dict[str, Any]) -> Iterator[str]:
    """Yield what to do now, the most urgent first."""
    obra, steps = obra_command(), []
    if found["waiting"]:
        steps.append(f"{obra} inbox")
    steps += [f"{obra} project resume {each['project']}" for each in found["paused"]]
    clean = [merge for merge in found["merges"] if merge["state"] == "clean"]
    for repo in dict.fromkeys(merge["repo"] for merge in clean):
        names = [merge["branch"] for merge in clean if merge["repo"] == repo]
        steps += [f"git -C {repo} merge {name}" for name in names[:NAMED_MAX]]
        if len(names) > NAMED_MAX:
            steps.append(f"… and {len(names) - NAMED_MAX} more branches, in the order above")
    lost = next((task for task in reversed(found["ended"]) if task["status"] == "failed"), None)
    if lost:
        steps.append(f"{obra} show {lost['task']}")
    if steps:
        yield ""
        yield "next:"
        yield from (f"  {step}" for step in steps)
