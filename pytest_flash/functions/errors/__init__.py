"""Failures of jobs as exceptions at the caller."""
