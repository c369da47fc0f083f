"""``/api/v1``: what is known, as JSON; and the few things that can be asked for."""

from whydrift.monitor.service.web.api.routes import router

__all__ = ["router"]
