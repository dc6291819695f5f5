"""An agent whose brain is a file. Run as ``python -I -S scripted_agent.py FILE ATTEMPT [SESSION]``.

It speaks the line protocol of Claude Code, takes the prompt from its standard input as that does, does what the
file says with real files and real commands, and answers control requests; so everything around it is exercised as
with a real agent. Standard library only. `obra.shared.script` describes the file.
"""

import base64
import contextlib
import json
import os
import signal
import sys
import threading
import time
from typing import Any, NoReturn

VERSION = "scripted-1"
MODEL = "scripted"
SHOWN_CHARS = 2_000
RUN_OUTPUT_BYTES = 64 * 1024
RUN_OUTPUT_WITHIN_S = 0.5
RESULT_CHARS_MAX = 100_000
"""No model says more in one message; a longer one is still said in full, by the message before the result."""

ENDINGS: dict[str, dict[str, Any]] = {
    "max_turns": {"subtype": "error_max_turns", "terminal_reason": "max_turns"},
    "over_budget": {"subtype": "error_max_budget_usd", "terminal_reason": "budget_exhausted"},
    "rate_limited": {"subtype": "success", "terminal_reason": "api_error", "api_error_status": 429},
    "unreachable": {"subtype": "success", "terminal_reason": "api_error", "api_error_status": 529},
    "not_logged_in": {"subtype": "success", "terminal_reason": "api_error", "api_error_status": 401},
    "rejected": {"subtype": "success", "terminal_reason": "api_error", "api_error_status": 400},
    "refused": {"subtype": "success", "terminal_reason": "api_error", "stop_reason": "refusal"},
    "failed": {"subtype": "error_during_execution", "terminal_reason": "error"},
}


class Output:
    """Reads what a command prints, keeps the end of it, and is never kept waiting by what the command left behind."""

    def __init__(self, pipe: Any) -> None:
        self.pipe, self.kept = pipe, b""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        """Read until nobody holds the other end any more."""
        while data := os.read(self.pipe.fileno(), RUN_OUTPUT_BYTES):
            self.kept = (self.kept + data)[-RUN_OUTPUT_BYTES:]

    def end(self) -> str:
        """Return what came, once the command itself is gone."""
        self.reader.join(RUN_OUTPUT_WITHIN_S)
        return self.kept.decode(errors="replace")


class Agent:
    """Plays one attempt of a script."""

    def __init__(self, attempt: dict[str, Any], session: str) -> None:
        self.attempt, self.session = attempt, session
        self.turns, self.said, self.began_at = 0, "", time.monotonic()
        self.lock = threading.Lock()
        self.asked = threading.Event()

    def play(self) -> NoReturn:
        """Wait for the prompt, do every step, say the result and exit."""
        threading.Thread(target=self.listen, daemon=True).start()
        self.asked.wait()
        self.emit({
            "type": "system", "subtype": "init", "cwd": os.getcwd(), "tools": ["Bash", "Write", "Edit"],
            "model": MODEL, "permissionMode": "default", "claude_code_version": VERSION,
        })  # fmt: skip
        for step in self.attempt.get("steps", []):
            ((kind, value),) = [item for item in step.items() if item[0] != "repeat"]
            getattr(self, f"do_{kind}")(value, *([step["repeat"]] if "repeat" in step else []))
        self.result({"subtype": "success", "is_error": False, "terminal_reason": "completed"}, 0)

    def listen(self) -> None:
        """Read standard input: the prompt, then requests; an interrupt ends everything with a result."""
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if message.get("type") == "user":
                self.asked.set()
            elif message.get("type") == "control_request":
                answer = {"subtype": "success", "request_id": message.get("request_id"), "response": {}}
                self.emit({"type": "control_response", "response": answer})
                if message["request"].get("subtype") == "interrupt":
                    self.result({"subtype": "error_during_execution", "terminal_reason": "aborted_tools"}, 0)
        if not self.asked.is_set():
            sys.stderr.write("no prompt came on standard input\n")
            sys.stderr.flush()
            os._exit(1)

    def emit(self, message: dict[str, Any]) -> None:
        """Print one message of this session."""
        self.put(json.dumps({**message, "session_id": self.session}).encode() + b"\n")

    def put(self, data: bytes) -> None:
        """Print bytes; nobody listening any more is the end."""
        with self.lock:
            try:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
            except BrokenPipeError:
                os._exit(1)

    def assistant(self, block: dict[str, Any]) -> None:
        """Print a message of the model."""
        self.turns += 1
        usage = {"input_tokens": 0, "output_tokens": 0}
        identity = f"msg_{self.turns}"
        message = {"id": identity, "role": "assistant", "model": MODEL, "content": [block], "usage": usage}
        self.emit({"type": "assistant", "message": message, "parent_tool_use_id": None})

    def tool(self, name: str, shown: dict[str, Any], act: Any) -> None:
        """Announce a tool call, make it, and say what came of it."""
        identity = f"toolu_{self.turns + 1}"
        self.assistant({"type": "tool_use", "id": identity, "name": name, "input": shown})
        try:
            said, wrong = act(), False
        except (OSError, ValueError) as error:  # a ValueError: no system takes a NUL in a path or a command
            said, wrong = f"{type(error).__name__}: {error}", True
        block = {"type": "tool_result", "tool_use_id": identity, "content": said, "is_error": wrong}
        self.emit({"type": "user", "message": {"role": "user", "content": [block]}, "parent_tool_use_id": None})

    def result(self, ending: dict[str, Any], code: int) -> NoReturn:
        """Say how it ended, with the claims of the script, and exit."""
        tokens = self.attempt.get("tokens", {})
        cost = self.attempt.get("cost_usd", 0.0)
        counts = [tokens.get(key, 0) for key in ("input", "output", "cache_read", "cache_write")]
        names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        by_model = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
        denials = [
            {"tool_name": tool, "tool_use_id": f"toolu_denied_{number}", "tool_input": {}}
            for number, tool in enumerate(self.attempt.get("denials", []))
        ]
        self.emit({
            "type": "result", "is_error": True, "num_turns": max(1, self.turns), "total_cost_usd": cost,
            "usage": dict(zip(names, counts, strict=True)), "permission_denials": denials,
            "duration_ms": int((time.monotonic() - self.began_at) * 1000),
            "model_usage_since_last_result": {MODEL: {**dict(zip(by_model, counts, strict=True)), "costUSD": cost}},
            **ending, **({} if ending.get("is_error", True) else {"result": self.said[:RESULT_CHARS_MAX] or "done"}),
        })  # fmt: skip
        os._exit(code)

    def do_write(self, value: dict[str, str]) -> None:
        """Write a file, making its directories."""
        self.file("Write", "w", value)

    def do_append(self, value: dict[str, str]) -> None:
        """Append to a file."""
        self.file("Edit", "a", value)

    def file(self, tool: str, mode: str, value: dict[str, str]) -> None:
        """Write or append text."""

        def act() -> str:
            os.makedirs(os.path.dirname(os.path.abspath(value["path"])), exist_ok=True)
            with open(value["path"], mode, encoding="utf-8", newline="") as file:
                file.write(value["text"])
            return f"wrote {value['path']}"

        shown = {"file_path": os.path.abspath(value["path"]), "content": value["text"][:SHOWN_CHARS]}
        self.tool(tool, shown, act)

    def do_delete(self, path: str) -> None:
        """Delete a file or a whole directory."""

        def act() -> str:
            if os.path.isdir(path) and not os.path.islink(path):
                import shutil  # noqa: PLC0415 - keeps the start fast

                shutil.rmtree(path)
            else:
                os.unlink(path)
            return f"deleted {path}"

        self.tool("Bash", {"command": f"rm -rf {path}"}, act)

    def do_run(self, command: str) -> None:
        """Run a command by `sh -c`; a failing one is an error of the tool, not of the agent.

        What it leaves running in the background is not waited for.
        """

        def act() -> str:
            import subprocess  # noqa: PLC0415 - keeps the start fast

            shell = subprocess.Popen(
                ["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            output = Output(shell.stdout)
            code, said = shell.wait(), output.end()
            if code:
                raise OSError(f"exit code {code}: {said}")
            return said

        self.tool("Bash", {"command": command}, act)

    def do_say(self, text: str) -> None:
        """Say something."""
        self.said = text
        self.assistant({"type": "text", "text": text})

    def do_ask(self, question: str) -> None:
        """Ask a person, who is not there: the call is denied."""
        shown = {"questions": [{"question": question, "options": []}]}
        self.assistant({"type": "tool_use", "id": f"toolu_{self.turns + 1}", "name": "AskUserQuestion", "input": shown})
        self.attempt = {**self.attempt, "denials": [*self.attempt.get("denials", []), "AskUserQuestion"]}

    def do_sleep_s(self, duration_s: float) -> None:
        """Wait."""
        time.sleep(duration_s)

    def do_hang(self, _: bool) -> NoReturn:
        """Say and do nothing any more."""
        while True:
            time.sleep(3600)

    def do_exit(self, code: int) -> NoReturn:
        """End without a result."""
        os._exit(code)

    def do_kill(self, number: int) -> None:
        """Be killed."""
        with contextlib.suppress(OSError):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def do_raw(self, text: str, repeat: int = 1) -> None:
        """Print a line as it stands."""
        self.many(text.encode("utf-8", "surrogatepass") + b"\n", repeat)

    def do_raw_base64(self, text: str, repeat: int = 1) -> None:
        """Print bytes as they stand."""
        self.many(base64.b64decode(text), repeat)

    def many(self, data: bytes, repeat: int) -> None:
        """Print *data* again and again, in pieces that a pipe takes well."""
        at_once = max(1, min(repeat, 65_536 // max(1, len(data))))
        for start in range(0, repeat, at_once):
            self.put(data * min(at_once, repeat - start))

    def do_ending(self, name: str) -> NoReturn:
        """End with the kind of error result that Claude Code prints."""
        text = f"scripted ending: {name}"
        extra = {"errors": [text]} if ENDINGS[name]["subtype"].startswith("error") else {"result": text}
        self.result({**ENDINGS[name], **extra}, 1)


def main(argv: list[str]) -> NoReturn:
    """Play the attempt that *argv* names; the last one of the file repeats."""
    with open(argv[1], "rb") as file:
        attempts = json.load(file)["attempts"]
    session = argv[3] if len(argv) > 3 and argv[3] else f"scripted-{os.urandom(8).hex()}"  # noqa: PLR2004
    Agent(attempts[min(int(argv[2]), len(attempts)) - 1], session).play()


if __name__ == "__main__":
    main(sys.argv)
