"""Remote functions: the decorator, what is shipped, the wire protocol, errors coming back."""
