"""What user code prints on a worker, kept for its caller."""
