"""What this machine made on Runpod, remembered on disk, and which sessions live."""
