"""HTTP as a worker speaks it, with the standard library alone."""
