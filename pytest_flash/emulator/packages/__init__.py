"""What a hermetic worker may import, and how that is installed and linked."""
