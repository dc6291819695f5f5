"""Runs coding agents in isolated workspaces and gathers the evidence of what they really did."""
