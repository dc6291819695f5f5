"""Says whether a submitted task can be worked on, and under which policy."""
