"""The demonstration: a sample repository, a task for it, and the two attempts of a scripted agent.

`sample/`, `attempt1/` and `attempt2/` are trees of files as they stand in the repository; each has `.txt` behind its
name, so that no tool takes them for this project's own.
"""
