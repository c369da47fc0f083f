"""The pages: what a person on call looks at."""

from whydrift.monitor.service.web.pages.routes import router

__all__ = ["router"]
