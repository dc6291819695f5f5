"""What is particular to one kind of agent: how it is started, and how its lines are understood."""
