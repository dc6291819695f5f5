"""The command line: an edge. It submits, shows and resolves, and decides nothing."""
