"""The worker's own process: descriptors, log, stacks, search path."""
