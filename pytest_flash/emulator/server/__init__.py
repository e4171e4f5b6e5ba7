"""Requests of every plane: who may ask, how they are read, how answers are written."""
