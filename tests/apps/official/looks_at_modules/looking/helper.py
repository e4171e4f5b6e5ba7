import inspect


def name_of(frame):
    return inspect.getmodule(frame).__name__.rpartition("looking.")[2]
