"""Decides what is worked on, in which order, and makes plans of goals."""
