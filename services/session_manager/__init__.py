"""Opens a task's session, writes the prompt of every attempt, sets its limits, and keeps its money."""
