"""Credentials: an API key, or tokens that are renewed on the way; and whose certificates are believed."""

import ssl
import time
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from typing import Protocol

import httpx

from windlass.client.records import Grant

REFRESH_PATH = "/v1/auth/refresh"
EARLY_S = 30.0  # renew before the token ends on the way


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client shows: a key that lasts, or a token with the means to renew it. Times are Unix seconds."""

    bearer: str
    refresh_token: str | None = None
    expires_at: float | None = None

    @classmethod
    def granted(cls, grant: Grant, now: float) -> "Credentials":
        """The credentials of a sign-in."""
        return cls(grant.access_token, grant.refresh_token, now + grant.expires_in)

    def is_stale(self, now: float) -> bool:
        """Whether they end about now and can be renewed."""
        return self.refresh_token is not None and self.expires_at is not None and now > self.expires_at - EARLY_S


def believed(url: str) -> ssl.SSLContext | bool:
    """Whose certificates are believed: those everybody knows, and none where none is asked for.

    To read them all takes 50 ms, a fifth of a short command.
    """
    return url.lower().startswith("https:") or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class CredentialStore(Protocol):
    """Where credentials outlive the process; several processes may share one."""

    def load(self) -> Credentials | None:
        """The newest credentials."""
        ...

    def save(self, credentials: Credentials | None) -> None:
        """Keep them, or forget them."""
        ...


class MemoryStore:
    """Credentials for the life of this process."""

    def __init__(self, credentials: Credentials | None = None) -> None:
        self._credentials = credentials

    def load(self) -> Credentials | None:
        """What was kept."""
        return self._credentials

    def save(self, credentials: Credentials | None) -> None:
        """Keep them here."""
        self._credentials = credentials


class Bearer(httpx.Auth):
    """Puts the token on every request; renews it shortly before its end, and once when the gateway refuses it."""

    def __init__(self, base_url: str, store: CredentialStore, clock: Callable[[], float] = time.time) -> None:
        self._refresh_url = base_url.rstrip("/") + REFRESH_PATH
        self._store, self._clock = store, clock

    def keep(self, grant: Grant) -> None:
        """Use a fresh sign-in from now on."""
        self._store.save(Credentials.granted(grant, self._clock()))

    def forget(self) -> None:
        """Use nothing from now on."""
        self._store.save(None)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request, renewing the token first or afterwards if need be."""
        known = self._store.load()
        if known is None:
            yield request
            return
        if known.is_stale(self._clock()):
            known = yield from self._renew(known)
        response = yield _signed(request, known)
        if response.status_code == 401 and known.refresh_token is not None:
            renewed = yield from self._renew(known)
            if renewed != known:
                yield _signed(request, renewed)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The flow for `httpx.Client`; reads the body of a renewal only, so that streams stay streams."""
        flow = self.auth_flow(request)
        sent = next(flow)
        while True:
            response = yield sent
            if sent is not request:
                response.read()
            try:
                sent = flow.send(response)
            except StopIteration:
                return

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """The flow for `httpx.AsyncClient`."""
        flow = self.auth_flow(request)
        sent = next(flow)
        while True:
            response = yield sent
            if sent is not request:
                await response.aread()
            try:
                sent = flow.send(response)
            except StopIteration:
                return

    def _renew(self, known: Credentials) -> Generator[httpx.Request, httpx.Response, Credentials]:
        """Exchange the refresh token, unless another process already did; the old ones when it is refused."""
        newest = self._store.load()
        if newest is not None and newest.bearer != known.bearer:
            return newest
        response = yield httpx.Request("POST", self._refresh_url, json={"refresh_token": known.refresh_token})
        if response.status_code != 200:
            return known
        renewed = Credentials.granted(Grant.model_validate(response.json()), self._clock())
        self._store.save(renewed)
        return renewed


def _signed(request: httpx.Request, credentials: Credentials) -> httpx.Request:
    request.headers["authorization"] = f"Bearer {credentials.bearer}"
    return request
