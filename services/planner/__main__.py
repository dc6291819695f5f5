"""This service alone: `python -m obra.services.planner`."""

import sys

from obra.shared.runtime import main

if __name__ == "__main__":
    sys.exit(main("planner"))
