"""Files of unknown origin, read without waiting and up to a limit; temporary folders."""
