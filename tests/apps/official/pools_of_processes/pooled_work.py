import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def square(value: int) -> int:
    return value * value


def pooled(values: list[int]) -> list[int]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return list(pool.map(square, values))
