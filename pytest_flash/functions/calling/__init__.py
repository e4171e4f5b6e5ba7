"""Calls, from their arguments to their results."""
