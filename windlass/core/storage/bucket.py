"""One bucket of an S3 store: the vendor's client in threads of our own, and its errors in our words."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)

from windlass.core.errors import NotFound
from windlass.core.storage import StoreAway, checked
from windlass.core.storage.places import Place

DEFAULT_REGION = "us-east-1"
REQUIRED = "when_required"  # many stores do not know the checksums that the client would else add

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a caller waits, and how many calls run at once."""

    calls_at_once: int = 8
    connect_s: float = 3.0
    read_s: float = 30.0
    tries: int = 2
    call_s: float = 60.0


class Missing(Exception):
    """There is no object of this key."""


class Exists(Exception):
    """There is an object of this key already."""


class Clients:
    """Makes the vendor's clients of one place; what they share is loaded once: 37 MiB, 0.3 for each further one."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._making = threading.Lock()
        self._session: Any = None  # the vendor makes its classes at run time: they have no types

    def make(self, endpoint: str | None, patience: Patience) -> Any:
        """A client; only for threads."""
        with self._making:
            if self._session is None:
                place = self._place
                self._session = Session(place.access_key, place.secret_key, region_name=place.region)
            region: str = self._session.region_name or DEFAULT_REGION
            config = self._config(endpoint, patience)
            return self._session.client("s3", endpoint_url=endpoint, region_name=region, config=config)

    def _config(self, endpoint: str | None, patience: Patience) -> Any:
        is_path = self._place.path_style if self._place.path_style is not None else endpoint is not None
        return Config(
            signature_version="s3v4",
            connect_timeout=patience.connect_s,
            read_timeout=patience.read_s,
            retries={"mode": "standard", "total_max_attempts": patience.tries},
            max_pool_connections=patience.calls_at_once,
            s3={"addressing_style": "path" if is_path else "auto"},
            request_checksum_calculation=REQUIRED,
            response_checksum_validation=REQUIRED,
        )


class Bucket:
    """Calls to one bucket, each in a thread, none of them longer than its patience."""

    def __init__(
        self, place: Place, patience: Patience, clients: Clients | None = None, endpoint: str | None = None
    ) -> None:
        self._place, self._patience = place, patience
        self._clients, self._endpoint = clients or Clients(place), endpoint or place.endpoint
        self._threads = ThreadPoolExecutor(patience.calls_at_once, "s3")
        self._making = threading.Lock()
        self._client: Any = None

    @property
    def name(self) -> str:
        """The bucket's name."""
        return self._place.bucket

    def key(self, key: str) -> str:
        """The key inside the bucket. Raises NotFound for one that might lead elsewhere."""
        return self._place.prefix + checked(key)

    async def call(self, operation: str, key: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation on a key of the bucket. Raises NotFound, Exists, StoreAway."""
        try:
            return await self.run(lambda: getattr(self.client(), operation)(Bucket=self.name, Key=key, **arguments))
        except Missing:
            raise NotFound("object", key.removeprefix(self._place.prefix)) from None

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove objects at once; those that are not there are passed over. Raises StoreAway."""
        wish = {"Objects": [{"Key": self.key(key)} for key in keys], "Quiet": True}
        answer: dict[str, Any] = await self.run(
            lambda: self.client().delete_objects(Bucket=self.name, Delete=wish) if keys else {}
        )
        for refused in answer.get("Errors", ()):
            if refused.get("Code") not in MISSING:
                raise StoreAway(SENTENCES.get(refused["Code"]) or f"The object store kept an object. {WAITING}")

    async def ensure(self) -> bool:
        """Create the bucket where it is missing; says whether it was. Raises StoreAway."""
        try:
            await self.run(lambda: self.client().head_bucket(Bucket=self.name))
        except Missing:
            await self.run(self._create)
            return True
        return False

    async def under(self, operation: str, field: str, prefix: str) -> list[dict[str, Any]]:
        """Everything that a listing operation finds below a prefix. Raises StoreAway."""

        def pages() -> list[dict[str, Any]]:
            found = self.client().get_paginator(operation).paginate(Bucket=self.name, Prefix=prefix)
            return [each for page in found for each in page.get(field, ())]

        return await self.run(pages)

    async def run(self, work: Callable[[], T]) -> T:
        """Do what speaks to the store in a thread. Raises Missing, Exists, StoreAway."""
        try:
            async with asyncio.timeout(self._patience.call_s):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError as error:
            raise StoreAway(SILENT) from error
        except (BotoCoreError, ClientError) as error:
            raise told(error) from error

    async def prepare(self) -> None:
        """Make the client, however long that takes a busy machine. Raises StoreAway."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self.client)
        except BotoCoreError as error:
            raise told(error) from error

    def client(self) -> Any:
        """The vendor's client, made the first time; only for threads."""
        with self._making:
            if self._client is None:
                self._client = self._clients.make(self._endpoint, self._patience)
            return self._client

    def close(self) -> None:
        """Let go of threads and connections; calls in flight come to their end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()

    def _create(self) -> None:
        client = self.client()
        region: str = client.meta.region_name
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region != DEFAULT_REGION else {}
        client.create_bucket(Bucket=self.name, **elsewhere)


WAITING = "Nothing was lost: what waits for it is stored once that is put right."
SILENT = "The object store does not answer. Nothing was lost: what waits for it is stored once it does."
NO_BUCKET = f"The bucket of WINDLASS_STORAGE_URL does not exist. {WAITING} Create it, or correct the address."
NO_KEYS = f"There are no keys for the object store. {WAITING} Set WINDLASS_S3_ACCESS_KEY and WINDLASS_S3_SECRET_KEY."
BAD_KEYS = f"The object store does not know these keys. {WAITING} Look at WINDLASS_S3_ACCESS_KEY and its secret."
DENIED = f"The object store denies access to the bucket. {WAITING} Its keys must be allowed to list, read and write it."
ELSEWHERE = f"The bucket is in another region. {WAITING} Set WINDLASS_S3_REGION."
SKEWED = f"The clock of this machine differs too much from the object store's. {WAITING}"
MISSING = ("NoSuchKey", "404", "NoSuchVersion")
SENTENCES = {
    "NoSuchBucket": NO_BUCKET,
    "AccessDenied": DENIED,
    "AllAccessDisabled": DENIED,
    "403": DENIED,
    "InvalidAccessKeyId": BAD_KEYS,
    "XAdminUserNotFound": BAD_KEYS,
    "SignatureDoesNotMatch": BAD_KEYS,
    "ExpiredToken": BAD_KEYS,
    "InvalidToken": BAD_KEYS,
    "PermanentRedirect": ELSEWHERE,
    "AuthorizationHeaderMalformed": ELSEWHERE,
    "301": ELSEWHERE,
    "RequestTimeTooSkewed": SKEWED,
}


def told(error: Exception) -> Exception:
    """What an error of the vendor's means: Missing, Exists, StoreAway."""
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return StoreAway(NO_KEYS)
    if isinstance(error, NoConnection | HTTPClientError):
        return StoreAway(SILENT)
    answer: dict[str, Any] = getattr(error, "response", {})
    code = str(answer.get("Error", {}).get("Code", ""))
    if code in MISSING:
        return Missing()
    if code == "PreconditionFailed":
        return Exists()
    return StoreAway(SENTENCES.get(code) or f"The object store answered {code or type(error).__name__}. {WAITING}")
