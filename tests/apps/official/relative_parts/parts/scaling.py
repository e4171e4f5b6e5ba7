from runpod_flash import LiveServerless, remote

from .. import SCALE


@remote(LiveServerless(name="shape_gpu", workersMax=1))
def scaled(value: int) -> int:
    return value * SCALE
