"""Who calls: a bearer token (JWT, RFC 9068) of the built-in issuer or of a configured one, verified by its JWKS."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import httpx
import jwt
from fastapi import Depends, Request
from jwt import PyJWK

from api.problem import Problem, later
from config import Settings
from config.keys import TYPE, public_keys
from schemas.fields import ID_PATTERN

log = logging.getLogger("soulfra.edge")

ALGORITHMS = ("EdDSA", "ES256", "RS256", "PS256")  # never `none`, never a shared secret
REMEMBERED, ROOM = 60.0, 10_000  # seconds and number of verified tokens kept
KEYS_KEPT, KEYS_COOLDOWN = 600.0, 30.0  # seconds; an unknown key id may not cause a storm of fetches
LONGEST = 8_192  # characters of a token


class Principal(NamedTuple):
    """A caller, person or service. `subject` is the billed person; scopes are what the token allows beyond that."""

    tenant: str
    subject: str
    scopes: frozenset[str]

    @property
    def key(self) -> str:
        return f"{self.tenant}/{self.subject}"


class Verifier:
    """Verifies tokens against an issuer's public keys."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._keys: dict[str, PyJWK] = {}
        self._fetched, self._away = float("-inf"), False
        self._verified: dict[bytes, tuple[float, Principal]] = {}
        self._fetching = asyncio.Lock()

    async def principal(self, token: str) -> Principal:
        """Raises Problem 401 with what is wrong, never with what would be right."""
        seen, now = hashlib.sha256(token.encode()).digest(), time.time()
        until, known = self._verified.get(seen, (0.0, None))
        if known and now < until:
            return known
        principal, expires = await self._verify(token)
        if len(self._verified) >= ROOM:
            self._verified.clear()
        self._verified[seen] = min(now + REMEMBERED, expires), principal
        return principal

    async def _verify(self, token: str) -> tuple[Principal, float]:
        try:
            if len(token) > LONGEST:
                raise jwt.InvalidTokenError("it is too long")
            header = jwt.get_unverified_header(token)
            key = await self._key(str(header.get("kid", "")))
            if header.get("alg") not in ALGORITHMS or header["alg"] != key.algorithm_name:
                raise jwt.InvalidTokenError("its algorithm is not allowed")
            kind = str(header.get("typ", "")).lower().removeprefix("application/")
            if kind != TYPE and self.settings.auth.token_type == TYPE:
                raise jwt.InvalidTokenError(f"its type is {kind[:20]!r}, not that of an access token ({TYPE})")
            claims = self._claims(token, key)
            return principal_of(claims), float(claims["exp"])
        except jwt.ExpiredSignatureError:
            raise Problem(401, "the token has expired; get a new one (`make run` renews the first-run token)") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as wrong:
            raise Problem(401, f"the token cannot be accepted: {wrong}") from None

    def _claims(self, token: str, key: PyJWK) -> dict[str, Any]:
        auth = self.settings.auth
        return jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=auth.audience,
            issuer=auth.issuer,
            leeway=auth.leeway,
            options={"require": ["exp", "sub", "aud", "iss"]},
        )

    async def _key(self, kid: str) -> PyJWK:
        async with self._fetching:
            age = time.monotonic() - self._fetched
            if age > KEYS_KEPT or (kid not in self._keys and age > KEYS_COOLDOWN):
                self._fetched = time.monotonic()
                await self._fetch()
        if kid not in self._keys and self._away:
            raise later("the issuer's public keys cannot be read; ask again in a moment")
        if kid not in self._keys:
            raise jwt.InvalidTokenError("its key is not known")
        return self._keys[kid]

    async def _fetch(self) -> None:
        """While the issuer is away, or answers with something else, the keys that are known go on being used."""
        try:
            self._keys = {str(key.key_id): key for key in jwt.PyJWKSet.from_dict(await self._jwks()).keys}
            self._away = False
        except (httpx.HTTPError, OSError, ValueError, TypeError, jwt.PyJWTError) as away:
            self._away = True
            log.warning("the issuer's public keys cannot be read (%s)", type(away).__name__)

    async def _jwks(self) -> dict[str, Any]:
        where = self.settings.auth.jwks
        if not where:
            return public_keys(self.settings)
        if not where.startswith("https://"):
            return dict(json.loads(await asyncio.to_thread(Path(where).read_text)))
        async with httpx.AsyncClient(timeout=5) as client:
            return dict((await client.get(where)).raise_for_status().json())


def principal_of(claims: dict[str, Any]) -> Principal:
    """Raises InvalidTokenError for a person who could be in no key and no folder."""
    tenant, subject = str(claims.get("tenant", "main")), str(claims["sub"])
    for name, value in (("tenant", tenant), ("subject", subject)):
        if not re.fullmatch(ID_PATTERN, value):
            raise jwt.InvalidTokenError(f"its {name} has other characters than letters, digits and ._:@-, or too many")
    return Principal(tenant, subject, frozenset(str(claims.get("scope", "")).split()))


async def caller(request: Request) -> Principal:
    """The caller of a request."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise Problem(401, "send `Authorization: Bearer <token>`; `make run` prints where the first-run token is")
    principal: Principal = await request.app.state.verifier.principal(token.strip())
    return principal


Caller = Annotated[Principal, Depends(caller)]


def own(who: str, caller: Principal) -> str:
    """The key of `me` or of the caller's own id; another's is unknown."""
    if who in ("me", caller.subject):
        return caller.key
    raise Problem(404, "there is no such person, or it is not you; `me` is you")
