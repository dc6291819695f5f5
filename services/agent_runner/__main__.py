"""This service alone: `python -m obra.services.agent_runner`."""

import sys

from obra.shared.runtime import main

if __name__ == "__main__":
    sys.exit(main("agent-runner"))
