"""This process and those around it: output, messages, threads, exit status."""
