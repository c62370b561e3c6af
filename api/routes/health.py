"""Is the process alive, is the installation ready, and its figures for Prometheus."""

from collections.abc import Sequence
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from api.dependencies import Public
from windlass.core.health import Grade, HealthReport, Part, examine

router = APIRouter(tags=["health"], dependencies=[Public])


class Alive(BaseModel):
    """The process answers."""

    status: Grade = Grade.PASS


class PartView(BaseModel):
    """How one part of the installation is."""

    name: str
    status: Grade = Field(validation_alias="grade")
    detail: str
    figure: str
    means: str
    took_ms: float


class Readiness(BaseModel):
    """How the installation is: the worst of its parts."""

    status: Grade = Field(validation_alias="grade")
    parts: Sequence[PartView]


@router.get("/health")
async def health() -> Alive:
    """Say that this process is alive."""
    return Alive()


@router.get("/ready", responses={503: {"model": Readiness, "description": "A part has failed."}})
async def ready(request: Request, response: Response) -> Readiness:
    """Examine every part; 503 when one has failed."""
    parts: list[Part] = request.state.health
    report = await examine(parts)
    if report.grade is Grade.FAIL:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return readiness(report)


@router.get("/metrics", response_class=Response)
async def metrics() -> Response:
    """The figures of this process in Prometheus' text format; none is about a tenant."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def readiness(report: HealthReport) -> Readiness:
    """The report as JSON shows it."""
    return Readiness.model_validate(report, from_attributes=True)
