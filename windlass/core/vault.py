"""Secrets of tenants at rest: sealed with a key of the tenant, and bound to what they belong to (control I1)."""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

import orjson

from windlass.contracts.ids import TenantId
from windlass.core.errors import Unavailable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class SecretSealed(Unavailable):
    """A secret was sealed with another secret key, or for something else. Save it again."""


class Vault:
    """Seals and opens; the key of a tenant is derived from the secret key of the installation."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def seal(self, tenant_id: TenantId, name: str, content: Mapping[str, str]) -> bytes:
        """The content as it may be stored under a name."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher(tenant_id).encrypt(nonce, orjson.dumps(dict(content)), _bound(tenant_id, name))

    def open(self, tenant_id: TenantId, name: str, sealed: bytes) -> dict[str, str]:
        """What was sealed under that name. Raises SecretSealed."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as below

        nonce, content = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return orjson.loads(self._cipher(tenant_id).decrypt(nonce, content, _bound(tenant_id, name)))
        except (InvalidTag, ValueError) as error:
            raise SecretSealed(
                "A secret cannot be opened: it was sealed with another secret key. Save it again."
            ) from error

    def _cipher(self, tenant_id: TenantId) -> "AESGCM":
        # Workers without secrets of others do without all this.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - several MiB

        from windlass.core.identity.tokens import derive  # noqa: PLC0415 - as above

        return AESGCM(derive(self._secret, f"vault/{tenant_id}"))


def _bound(tenant_id: TenantId, name: str) -> bytes:
    return f"{tenant_id}\0{name}".encode()
