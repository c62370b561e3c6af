"""`/exchange`: exposes as one document, as `/v1/services/export` and `/import` have them."""

from fastapi import APIRouter

from api.dependencies import EngineDep
from api.routes import exchange
from api.routes.compat.kodosumi.words import PREFIX
from api.routes.services import ServiceWriter

router = APIRouter(prefix=f"{PREFIX}/exchange", tags=["compat"])


@router.get("/export")
async def export(caller: ServiceWriter, engine: EngineDep) -> exchange.Document:
    """All exposes as one document, variables with their values, secrets by name alone."""
    return await exchange.export(caller, engine)


@router.post("/import")
async def take(body: exchange.DocumentBody, caller: ServiceWriter, engine: EngineDep) -> exchange.ImportView:
    """Add and change what a document says, item by item, after a backup."""
    return await exchange.take(body, caller, engine)
