"""``EmulatorControl`` under the name that users import it by (docs/faults.md)."""

from .client.control import EmulatorControl

__all__ = ["EmulatorControl"]
