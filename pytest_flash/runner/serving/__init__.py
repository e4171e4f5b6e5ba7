"""Serving an app: sockets, connections and their hand-over, logs."""
