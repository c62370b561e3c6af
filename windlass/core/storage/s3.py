"""Bytes in a bucket of an S3 store."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from windlass.core.errors import NotFound
from windlass.core.storage import INCOMING, PIECE_BYTES, Kept, Room, StoreAway, checked, regrouped
from windlass.core.storage.bucket import Bucket, Clients, Exists, Patience
from windlass.core.storage.places import Place
from windlass.core.storage.uploads import Upload

DELETED_AT_ONCE = 1000  # what S3 takes
PART_BYTES = 8 << 20
LONGEST_LINK = timedelta(days=7)  # what a signature may last
PROBE = ".probe"
FRESH_S = 15.0  # `/ready` may be asked every second, and writing costs money
PROBING = Patience(calls_at_once=1, connect_s=1.5, read_s=1.5, tries=1, call_s=1.8)
SIGNING = Patience(calls_at_once=1)
COPYING = Patience(calls_at_once=2, read_s=600.0, call_s=600.0)  # a store may copy gigabytes before it answers


class S3Objects:
    """Objects below a prefix of one bucket; each appears whole or not at all."""

    def __init__(self, place: Place) -> None:
        clients = Clients(place)
        self._bucket = Bucket(place, Patience(), clients)
        self._copier = Bucket(place, COPYING, clients)
        self._signer = Bucket(place, SIGNING, clients, place.public_endpoint)
        self._prober = Bucket(place, PROBING, clients)
        self._prefix = place.prefix
        self._probing: asyncio.Task[None] | None = None
        self._well_until = 0.0

    async def put(self, key: str, content: bytes) -> None:
        """Keep `content` under `key`; the second time nothing changes."""
        with suppress(Exists):
            await self._bucket.call("put_object", self._bucket.key(key), Body=content, IfNoneMatch="*")

    async def get(self, key: str) -> bytes:
        """The bytes under `key`, at once; raises NotFound."""
        found = await self._bucket.call("get_object", self._bucket.key(key))
        return await self._bucket.run(found["Body"].read)

    async def size(self, key: str) -> int | None:
        """How many bytes are under `key`; None when there is no such object."""
        try:
            return (await self._bucket.call("head_object", self._bucket.key(key)))["ContentLength"]
        except NotFound:
            return None

    async def keep(self, folder: str, chunks: AsyncIterable[bytes]) -> Kept:
        """Keep a stream under the hash of its content: a small one at once, a large one in parts."""
        async with aclosing(regrouped(chunks, PART_BYTES)) as parts:
            first = await anext(parts, b"")
            if len(first) == PART_BYTES:
                return await self._keep_large(folder, first, parts)
        digest = await self._bucket.run(lambda: hashlib.sha256(first).hexdigest())
        await self.put(f"{folder}/{digest}", first)
        return Kept(digest, len(first))

    async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """The bytes under `key` from `start` up to `stop`; where a connection breaks, another one goes on."""
        place, size = self._bucket.key(key), await self.size(key)
        if size is None:
            raise NotFound("object", key)
        at, end = start, size if stop is None else min(stop, size)
        while at < end:
            begun = at
            try:
                async with aclosing(self._pieces(place, at, end)) as pieces:
                    async for piece in pieces:
                        at += len(piece)
                        yield piece
            except StoreAway:
                if at == begun:  # not even one piece came this time
                    raise

    async def link(self, key: str, lifetime: timedelta, filename: str, shown_as: str | None = None) -> str | None:
        """An address signed for the public endpoint; it lasts a week at most."""
        way = "inline" if shown_as else "attachment"
        wish = {
            "Bucket": self._signer.name,
            "Key": self._signer.key(key),
            "ResponseContentDisposition": f"{way}; filename*=UTF-8''{quote(filename, safe='')}",
            "ResponseContentType": shown_as or "application/octet-stream",
        }
        seconds = int(min(lifetime, LONGEST_LINK).total_seconds())
        return await self._signer.run(
            lambda: self._signer.client().generate_presigned_url("get_object", Params=wish, ExpiresIn=seconds)
        )

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are passed over."""
        for first in range(0, len(keys), DELETED_AT_ONCE):
            await self._bucket.delete(keys[first : first + DELETED_AT_ONCE])

    async def room(self) -> Room:
        """Write a small object, unless that went well a moment ago; whoever asks meanwhile waits for the same."""
        if monotonic() >= self._well_until:
            if self._probing is None or self._probing.done():
                self._probing = asyncio.create_task(self._probe())
            await asyncio.shield(self._probing)
        return Room(None)

    async def sweep(self, older_than: timedelta) -> int:
        """Remove what a writer that died has left: uploads without an end, and what was to be copied."""
        before, place = datetime.now(UTC) - older_than, f"{self._prefix}{INCOMING}/"
        uploads = await self._bucket.under("list_multipart_uploads", "Uploads", place)
        objects = await self._bucket.under("list_objects_v2", "Contents", place)
        old_uploads = [each for each in uploads if each["Initiated"] < before]
        old_objects = [each for each in objects if each["LastModified"] < before]
        for each in old_uploads:
            await self._bucket.call("abort_multipart_upload", each["Key"], UploadId=each["UploadId"])
        for each in old_objects:
            await self._bucket.call("delete_object", each["Key"])
        return len(old_uploads) + len(old_objects)

    async def close(self) -> None:
        """Let go of threads and connections."""
        if self._probing is not None:
            self._probing.cancel()
        for bucket in (self._bucket, self._copier, self._signer, self._prober):
            bucket.close()

    async def _probe(self) -> None:
        await self._prober.prepare()  # loading the client is not what the store has its seconds for
        await self._prober.call("put_object", self._prefix + PROBE, Body=b"")
        self._well_until = monotonic() + FRESH_S

    async def _pieces(self, place: str, start: int, end: int) -> AsyncGenerator[bytes]:
        found = await self._bucket.call("get_object", place, Range=f"bytes={start}-{end - 1}")
        body: Any = found["Body"]
        try:
            while piece := await self._bucket.run(lambda: body.read(PIECE_BYTES)):
                yield piece
        finally:
            body.close()

    async def _keep_large(self, folder: str, first: bytes, parts: AsyncIterable[bytes]) -> Kept:
        """Upload under a name of its own, and copy inside the store once the hash is known."""
        incoming = f"{self._prefix}{INCOMING}/{checked(folder)}/{uuid4().hex}"
        kept = await self._upload(incoming, first, parts)
        try:
            key = f"{folder}/{kept.digest}"
            if await self.size(key) is None:
                source = {"Bucket": self._copier.name, "Key": incoming}
                await self._copier.call("copy_object", self._copier.key(key), CopySource=source)
        finally:
            await self._bucket.call("delete_object", incoming)
        return kept

    async def _upload(self, place: str, first: bytes, parts: AsyncIterable[bytes]) -> Kept:
        upload = await Upload.begin(self._bucket, place)
        try:
            await upload.send(first)
            async for part in parts:
                await upload.send(part)
            return await upload.finish()
        except BaseException:
            await upload.abandon()
            raise
