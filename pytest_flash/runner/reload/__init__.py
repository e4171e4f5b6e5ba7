"""Serving processes: forked, watched, replaced when files change."""
