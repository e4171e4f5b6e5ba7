"""What a worker process runs: the standard library and cloudpickle, nothing else.

The emulator never imports these modules; a worker loads them under the private name
``_flash_worker`` (see ``bootstrap``), so that user code cannot reach pytest_flash by import.
"""
