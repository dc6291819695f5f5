"""Independent services. What thinks is two pure functions; what acts is an adapter; both sit in the same shell."""
