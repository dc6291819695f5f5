"""``python -m obra.services.console``: the command line where its script is not on PATH."""

from obra.services.console.entry import main

main()
