"""What one emulator is told at its start, and what it says and makes then."""
