"""What lets a run reach its own files and nothing else: good while this life of it has the run."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt

from windlass.contracts.files import RUN_TOKEN
from windlass.contracts.ids import TenantId
from windlass.core.errors import Unauthenticated
from windlass.core.identity.tokens import ALGORITHM, derive

TYPE = "run+jwt"


@dataclass(frozen=True, slots=True)
class RunClaim:
    """Which attempt at which run, in which host."""

    tenant_id: TenantId
    run_id: UUID
    attempt: int
    boot_id: str


class RunTokens:
    """Signs and reads them; that the run still lives and is this host's is asked of the database at every use."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive(secret, "run")

    def issue(self, claim: RunClaim) -> str:
        """A token for one attempt in one host: the same whenever it is asked for."""
        said = {"tid": str(claim.tenant_id), "rid": str(claim.run_id), "try": claim.attempt, "boot": claim.boot_id}
        return RUN_TOKEN + jwt.encode(said, self._key, ALGORITHM, headers={"typ": TYPE})

    def read(self, token: str) -> RunClaim:
        """What a token of ours says. Raises Unauthenticated."""
        bare = token.removeprefix(RUN_TOKEN)
        try:
            if jwt.get_unverified_header(bare) != {"alg": ALGORITHM, "typ": TYPE}:
                raise Unauthenticated("The run's token is not ours.")
            options: Any = {"require": ["tid", "rid", "try", "boot"]}
            said = jwt.decode(bare, self._key, [ALGORITHM], options)
            return RunClaim(TenantId(UUID(said["tid"])), UUID(said["rid"]), int(said["try"]), str(said["boot"]))
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
            raise Unauthenticated("The run's token cannot be used.") from error
