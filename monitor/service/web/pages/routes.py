"""All pages."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends

from whydrift.monitor.service.web.pages import (
    alert_report,
    alerts,
    compare,
    diagnosis,
    monitor,
    overview,
    report,
)
from whydrift.monitor.service.web.requests import no_unknown_words

__all__ = ["router"]

router: Final = APIRouter(include_in_schema=False, dependencies=[Depends(no_unknown_words)])
for _page in (overview, monitor, alert_report, alerts, compare, diagnosis, report):
    router.include_router(_page.router)
