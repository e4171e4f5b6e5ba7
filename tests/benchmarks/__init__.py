"""Benchmarks: ``python -m tests.benchmarks NAME``; figures and how to repeat them are in docs."""
