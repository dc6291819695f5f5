"""Says what happens next with a task, why, and on which numbers."""
