"""Worker processes: what they run, how they start, what they print."""
