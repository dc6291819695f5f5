"""Runs supervisor-llm as a process of its own."""

import sys

from obra.shared.runtime import main

if __name__ == "__main__":
    sys.exit(main("supervisor-llm"))
