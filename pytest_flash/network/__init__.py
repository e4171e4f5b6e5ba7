"""How requests leave this machine, which of them stay on it, and how much of an answer is read."""
