"""A large object on its way into a bucket, part by part, hashed as it goes."""

import asyncio
import hashlib
from typing import Any, Self

from windlass.core.storage import Kept, StoreAway
from windlass.core.storage.bucket import Bucket


class Upload:
    """An upload that has begun: nothing of it is to be seen before it is finished."""

    def __init__(self, bucket: Bucket, place: str, upload_id: str) -> None:
        self._bucket, self._place, self._id = bucket, place, upload_id
        self._digest, self._size_bytes = hashlib.sha256(), 0
        self._parts: list[dict[str, Any]] = []

    @classmethod
    async def begin(cls, bucket: Bucket, place: str) -> Self:
        """Begin an upload to `place`. Raises StoreAway."""
        return cls(bucket, place, (await bucket.call("create_multipart_upload", place))["UploadId"])

    async def send(self, part: bytes) -> None:
        """Send the next part. Raises StoreAway."""
        number = len(self._parts) + 1
        await self._bucket.run(lambda: self._digest.update(part))
        about = {"UploadId": self._id, "PartNumber": number}
        sent = await self._bucket.call("upload_part", self._place, **about, Body=part)
        self._parts.append({"ETag": sent["ETag"], "PartNumber": number})
        self._size_bytes += len(part)

    async def finish(self) -> Kept:
        """Make one object of the parts. Raises StoreAway."""
        parts = {"Parts": self._parts}
        await self._bucket.call("complete_multipart_upload", self._place, UploadId=self._id, MultipartUpload=parts)
        return Kept(self._digest.hexdigest(), self._size_bytes)

    async def abandon(self) -> None:
        """Throw the parts away, also when the caller is cancelled; what cannot be reached now is swept later."""
        aborted = self._bucket.call("abort_multipart_upload", self._place, UploadId=self._id)
        try:
            await asyncio.shield(aborted)
        except StoreAway:
            return
