"""Other plugins and tools that users' tests have: each with our fixtures, in one suite."""
