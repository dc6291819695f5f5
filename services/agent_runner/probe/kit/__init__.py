"""What runs inside the sandbox, beside code that nobody trusts. Standard library only; no module of Obra is there."""
