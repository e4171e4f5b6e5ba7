"""Endpoints at work: which worker starts, which job it gets, when it ends."""
