import importlib
import pkgutil

STEPS = {}

for found in pkgutil.iter_modules(__path__):
    STEPS[found.name] = importlib.import_module(f"{__name__}.{found.name}").apply
