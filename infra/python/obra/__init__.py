"""Obra: supervises coding agents."""
