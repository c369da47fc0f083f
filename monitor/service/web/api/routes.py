"""All endpoints of the API."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends

from whydrift.monitor.service.web.api import act, diagnoses, monitors, reports, service
from whydrift.monitor.service.web.requests import no_unknown_words

__all__ = ["router"]

router: Final = APIRouter(prefix="/api/v1", dependencies=[Depends(no_unknown_words)])
for _part in (service.router, monitors.router, diagnoses.router, reports.router, act.router):
    router.include_router(_part)
