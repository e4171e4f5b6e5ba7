from looking.helper import name_of
from runpod_flash import LiveServerless, remote


@remote(LiveServerless(name="shape_gpu", workersMax=1))
def look() -> dict:
    import inspect
    import sys

    nowhere = inspect.getmodule(compile("", "/nowhere.py", "exec"))
    return {"module": name_of(sys._getframe()), "nowhere": nowhere}
