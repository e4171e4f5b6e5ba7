"""A module of the project that a remote function imports while it runs."""


def doubled(number: int) -> int:
    return 2 * number
