"""Turns the evidence of an attempt into two numbers, and names what the agent said that is not so."""
