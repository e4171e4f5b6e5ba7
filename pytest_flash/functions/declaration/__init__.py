"""What a decorated function is: its resource, its dependencies, its parameters."""
