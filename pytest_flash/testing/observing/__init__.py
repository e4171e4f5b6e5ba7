"""What happened during each test, and how it is shown."""
