"""Holds what an agent changed against the base, for ways of passing checks without doing the work.

Nothing here runs or imports what it looks at: Python is parsed, everything else is read line by line, and all of it
is bounded. What reading can't settle, `protect` does: the base's own tests, run against the new code.
"""
