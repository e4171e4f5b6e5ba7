"""What travels with a function: found, checked and pickled."""
