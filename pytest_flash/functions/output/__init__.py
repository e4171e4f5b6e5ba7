"""What jobs print, read from the logs of workers while they run."""
