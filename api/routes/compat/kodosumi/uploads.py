"""Kodosumi's uploads: a batch is an upload that grows, what it calls an upload is one file of it."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated, Any, cast
from unicodedata import normalize
from uuid import UUID

from fastapi import APIRouter, Path, Request, status
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from api.dependencies import EngineDep
from api.engine import Engine
from api.errors import BadRequest, TooLarge
from api.routes.compat.kodosumi.words import PREFIX, read_object
from api.routes.file_uploads import Uploader
from api.uploads import read_file
from windlass.contracts.events import Payload
from windlass.contracts.files import CHUNK_BYTES, IN, MOST_FILES, ROOTS, SIZE_BYTES
from windlass.core.callers import Caller
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound
from windlass.core.file_inputs import UNKNOWN
from windlass.core.file_uploads import NewFile
from windlass.core.files import FileQuery

router = APIRouter(prefix=f"{PREFIX}/files", tags=["compat"])

Json = dict[str, Any]
FRAME_BYTES = 64 << 10  # what a form says beside the chunk
NOT_BEGUN = "Invalid upload ID - upload not initialized"
INVALID = "Invalid upload ID"
PARTS: Json = {"upload_id": {"type": "string"}, "chunk_number": {"type": "integer"}}
CHUNK: Json = {"type": "object", "properties": {**PARTS, "chunk": {"type": "string", "format": "binary"}}}
SENT: Json = {"requestBody": {"content": {"multipart/form-data": {"schema": CHUNK}}}}
Chunks = Annotated[int, Field(ge=0, le=SIZE_BYTES // CHUNK_BYTES)]


class InitBody(BaseModel):
    """A file that will be sent in chunks."""

    filename: str = Field(max_length=1000)
    total_chunks: Chunks
    batch_id: UUID | None = None


class CompleteBody(BaseModel):
    """A file of which all chunks are sent; with `fid`: for that execution."""

    upload_id: UUID
    filename: str = Field(max_length=1000)
    total_chunks: Chunks
    batch_id: UUID | None = None
    fid: UUID | None = None


class Item(BaseModel):
    """A file of a batch, as a form and `complete` name it."""

    filename: str = Field(max_length=1000)
    totalChunks: Chunks  # noqa: N815 - as its clients write it


Items = Annotated[dict[UUID, Item], Field(max_length=MOST_FILES)]


class Filling(BaseModel):
    """What a field for files holds, as text."""

    items: Items


@router.post("/init_batch", status_code=status.HTTP_201_CREATED)
async def init_batch(caller: Uploader, engine: EngineDep) -> Json:
    """Begin a batch of files."""
    return {"batch_id": str(await engine.file_uploads.open(caller))}


@router.post("/init", status_code=status.HTTP_201_CREATED)
async def init(body: InitBody, caller: Uploader, engine: EngineDep) -> Json:
    """Announce a file, of a batch or alone; how large it is shows when it is complete."""
    uploads, new = engine.file_uploads, NewFile(body.filename, None)
    if body.batch_id is None:
        (file,) = (await uploads.begin(caller, [new])).files
    else:
        file = await uploads.add(caller, body.batch_id, new)
    return {"upload_id": str(file.id), "batch_id": None if body.batch_id is None else str(body.batch_id)}


@router.post("/chunk", status_code=status.HTTP_201_CREATED, openapi_extra=SENT)
async def chunk(request: Request, caller: Uploader, engine: EngineDep) -> Json:
    """Send a chunk of at most 1 MiB as a form, in any order; one that is there stays as it is."""
    async with engine.uploads.place(caller.person_id):
        file_id, n, content = await _read_chunk(request)
        try:
            file = await engine.file_uploads.file(caller, file_id)
        except NotFound:
            return {"error": NOT_BEGUN}
        count = await engine.file_uploads.put_chunk(caller, file.upload_id, file_id, n, content)
    return {"status": "chunk received", "chunk_number": n, "received_chunks": count}


@router.post("/complete/{root}", status_code=status.HTTP_201_CREATED)
async def complete(root: str, body: CompleteBody, caller: Uploader, engine: EngineDep) -> Json:
    """All chunks are sent: make a file of them. The second time nothing changes."""
    item = Item(filename=body.filename, totalChunks=body.total_chunks)
    if body.fid is not None:
        return (await _given(engine, caller, body.fid, _root(root), {body.upload_id: item}))[0]
    _root(root)
    return await _finished(engine, caller, body.upload_id, item)


@router.post("/complete/{run_id}/{batch_id}/{root}", status_code=status.HTTP_201_CREATED)
async def complete_all(
    run_id: UUID,
    batch_id: Annotated[str, Path(max_length=100)],
    root: str,
    body: Items,
    caller: Uploader,
    engine: EngineDep,
) -> list[Json]:
    """Complete files of an execution, which took them when it was launched."""
    return [{**each, "batch_id": batch_id} for each in await _given(engine, caller, run_id, _root(root), body)]


@router.delete("/cancel/{file_id}", status_code=status.HTTP_204_NO_CONTENT)
async def cancel(file_id: UUID, caller: Uploader, engine: EngineDep) -> None:
    """Forget a file; an execution that took it keeps it."""
    await engine.file_uploads.drop(caller, file_id)


async def settled(
    engine: Engine, caller: Caller, elements: Sequence[Payload], inputs: Json
) -> tuple[Json, tuple[UUID, ...]]:
    """The inputs of a form with the names of files where it names a batch, and the uploads these are in, complete.

    What a batch holds beside them goes: nobody will send the rest of it. Raises Invalid, Conflict.
    """
    named = {name: items for name, items in ((_name(each), _items(each, inputs)) for each in elements) if items}
    names, kept = dict[str, list[str]](), dict[UUID, set[UUID]]()
    for name, items in named.items():
        done = [(file_id, await _finished(engine, caller, file_id, item)) for file_id, item in items.items()]
        names[name] = sorted({each["final_file"] for _, each in done if "error" not in each})
        _require(name, [each for _, each in done], items, names[name])
        for file_id, each in done:
            if "error" not in each:
                kept.setdefault(UUID(each["completion_id"]), set()).add(file_id)
    for upload_id, files in kept.items():
        for file in (await engine.file_uploads.get(caller, upload_id)).files:
            if file.id not in files:
                await engine.file_uploads.drop(caller, file.id)
        await engine.file_uploads.complete(caller, upload_id)
    return inputs | names, tuple(kept)


def _require(name: str, done: Sequence[Json], items: Mapping[UUID, Item], names: Sequence[str]) -> None:
    """Go on only with all files; one that was announced twice under its name is there once. Raises Invalid."""
    for each, item in zip(done, items.values(), strict=True):
        if "error" in each and _composed(item.filename) not in names:
            raise Invalid("No run was started.", (FieldError(f"inputs.{name}", each["error"]),))


async def _finished(engine: Engine, caller: Caller, file_id: UUID, item: Item) -> Json:
    """A file made of its chunks, or what is wrong with it, as its clients know it."""
    uploads = engine.file_uploads
    try:
        file = await uploads.file(caller, file_id)
    except NotFound:
        return {"error": INVALID}
    if file.path != _composed(item.filename):
        return {"error": f"The file was announced as {file.path}"}
    if file.digest is None and len(file.received) != item.totalChunks:
        return {"error": "Not all chunks uploaded"}
    if file.digest is None and item.totalChunks == 0:
        await uploads.put(caller, file.upload_id, file_id, _nothing())
    try:
        await uploads.finish(caller, file.upload_id, file_id)
    except Conflict as missing:
        return {"error": missing.detail}
    return _told(str(file.upload_id), str(file.upload_id), file.path)


async def _given(engine: Engine, caller: Caller, run_id: UUID, root: str, items: Mapping[UUID, Item]) -> list[Json]:
    """What of these files the execution has; nothing is added to one that was launched. Raises NotFound."""
    below = f"{root}/{_composed(next(iter(items.values())).filename)}" if len(items) == 1 else root
    has = {each.path for each in await engine.files.list(caller, run_id, FileQuery(below, limit=MOST_FILES))}
    late = "An execution takes files when it is launched: name them in its form. Only it writes what comes out of it."
    return [
        _told(str(run_id), None, each.filename)
        if root == IN and f"{IN}/{_composed(each.filename)}" in has
        else {"error": late}
        for each in items.values()
    ]


def _told(completion_id: str, batch_id: str | None, path: str) -> Json:
    told = {"status": "upload complete", "completion_id": completion_id, "batch_id": batch_id}
    return told | {"final_file": path, "final_path": f"{completion_id}/{path}"}


async def _read_chunk(request: Request) -> tuple[UUID, int, bytes]:
    """Of which upload, which chunk, and its bytes. Raises TooLarge, TooSlow, BadRequest, Invalid."""
    body = await read_file(request, CHUNK_BYTES + FRAME_BYTES, "A chunk")

    async def whole() -> AsyncGenerator[bytes]:
        yield body

    parser = MultiPartParser(request.headers, whole(), max_files=1, max_fields=10, max_part_size=FRAME_BYTES)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, UnicodeDecodeError) as wrong:
        raise BadRequest("A chunk is sent as a form with upload_id, chunk_number and chunk.") from wrong
    try:
        return _id(form.get("upload_id")), _number(form.get("chunk_number")), await _content(form)
    finally:
        await form.close()


async def _content(form: FormData) -> bytes:
    sent = form.get("chunk")
    if not isinstance(sent, UploadFile):
        raise Invalid("The chunk was not kept.", (FieldError("chunk", "is required"),))
    content = await sent.read()
    if len(content) > CHUNK_BYTES:
        words = f"Chunk size exceeds maximum allowed size of {CHUNK_BYTES} bytes."
        raise TooLarge(f"{words} Received chunk size: {len(content)} bytes")
    return content


def _id(value: UploadFile | str | None) -> UUID:
    """The id that a field holds; one that is none names nothing."""
    try:
        return UUID(str(value))
    except ValueError:
        return UUID(int=0)


def _number(value: UploadFile | str | None) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 6:
        return int(value)
    raise Invalid("The chunk was not kept.", (FieldError("chunk_number", "must be a number"),))


def _root(root: str) -> str:
    if root not in ROOTS:
        raise BadRequest(f"Invalid directory type. Must be one of: {', '.join(ROOTS)}")
    return root


def _name(element: Payload) -> str:
    return str(element.get("name") or "")


def _items(element: Payload, inputs: Json) -> dict[UUID, Item]:
    """The files that a field names in Kodosumi's way; none where it is something else. Raises Invalid."""
    value = inputs.get(_name(element))
    sent = read_object(value) if element.get("type") == "file" and isinstance(value, str) else None
    if not sent or "items" not in sent:
        return {}
    try:
        return Filling.model_validate(sent).items
    except ValidationError:
        raise Invalid("No run was started.", (FieldError(f"inputs.{_name(element)}", UNKNOWN),)) from None


def _composed(path: str) -> str:
    """The path as it is kept."""
    return normalize("NFC", path)


async def _nothing() -> AsyncGenerator[bytes]:
    for piece in cast("Sequence[bytes]", ()):
        yield piece
