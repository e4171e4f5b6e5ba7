"""The jobs of queue-based endpoints, without HTTP and without workers."""
