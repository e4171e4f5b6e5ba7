"""What the emulated account has: endpoints, releases, volumes, hardware. Pure data."""
