"""Calls and results as messages of the Flash function protocol."""
