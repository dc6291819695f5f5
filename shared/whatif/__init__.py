"""What if the policy had been another one? Recorded history decided again, by the very same deciders, for no tokens."""
