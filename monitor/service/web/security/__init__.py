"""What stands before every request: its form, its host, who asks, where it comes from."""

from whydrift.monitor.service.web.security.access import Caller, Role
from whydrift.monitor.service.web.security.guard import Guard

__all__ = ["Caller", "Guard", "Role"]
