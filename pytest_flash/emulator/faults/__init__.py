"""Faults that tests ask for."""
