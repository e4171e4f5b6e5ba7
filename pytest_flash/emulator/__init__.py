"""The embedded Runpod: a process of its own, reached only over HTTP."""
