"""This service alone: `python -m obra.services.log_sink`."""

import sys

from obra.shared.runtime import main

if __name__ == "__main__":
    sys.exit(main("log-sink"))
