"""Asks a local LLM: which one serves, advice before an attempt, an opinion after it. It never decides."""
