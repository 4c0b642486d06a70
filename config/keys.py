"""The key store of an installation: the secret of keyed hashes and the signing key of the built-in issuer.

It is durable state: losing it invalidates tokens and makes old keyed hashes unlike new ones. Files are made once,
mode 0600.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from config import Settings

ALGORITHM = "EdDSA"
TYPE = "at+jwt"  # `typ` of an access token (RFC 9068): no other token of an issuer has it
EVERYTHING = ("chats", "events:write", "users:write")
PERSON = ("chats",)
RENEW_BEFORE = timedelta(days=7)


def keyed(settings: Settings, text: bytes) -> str:
    """HMAC-SHA-256 with the installation's secret, cut to 128 bits: equal for equal input, else meaningless."""
    return hmac.new(installation_secret(settings), text, hashlib.sha256).hexdigest()[:32]


def installation_id(settings: Settings) -> str:
    """Names an installation by its secret, without giving it away."""
    return keyed(settings, b"soulfra installation")


def installation_secret(settings: Settings) -> bytes:
    given = settings.keys.installation.get_secret_value()
    return given.encode() if given else _kept(settings.keys_folder / "installation", secrets.token_bytes(32))


def public_keys(settings: Settings) -> dict[str, Any]:
    """JWKS of the built-in issuer (RFC 7517)."""
    public = OKPAlgorithm.to_jwk(_signing_key(settings).public_key(), as_dict=True)
    return {"keys": [public | {"kid": _kid(settings), "use": "sig", "alg": ALGORITHM}]}


def token(settings: Settings, subject: str, scopes: tuple[str, ...] = PERSON, tenant: str = "main") -> str:
    """A signed access token of the built-in issuer (JWT, EdDSA)."""
    now = datetime.now(UTC)
    claims = {
        "iss": settings.auth.issuer,
        "aud": settings.auth.audience,
        "sub": subject,
        "tenant": tenant,
        "scope": " ".join(scopes),
        "iat": now,
        "exp": now + timedelta(days=settings.auth.token_days),
        "jti": uuid.uuid4().hex,
    }
    return jwt.encode(claims, _signing_key(settings), ALGORITHM, headers={"kid": _kid(settings), "typ": TYPE})


def new_user() -> str:
    """A random id, so that nothing about the person is in a key."""
    return f"u_{secrets.token_hex(12)}"


def ensure_first_token(settings: Settings) -> Path:
    """The first-run token's file; a start renews it in its last week, for the same person."""
    file = settings.local.data / "dev-token"
    subject, expires = _read(file)
    if expires - datetime.now(UTC) < RENEW_BEFORE:
        _write(file, token(settings, subject or new_user(), EVERYTHING).encode())
    return file


def _read(file: Path) -> tuple[str, datetime]:
    """Whose it is, and until when; at once where an older release did not mark it as an access token."""
    try:
        kept = file.read_text().strip()
        claims, marked = jwt.decode(kept, options={"verify_signature": False}), jwt.get_unverified_header(kept)["typ"]
        return claims["sub"], datetime.fromtimestamp(claims["exp"] if marked == TYPE else 0, UTC)
    except (FileNotFoundError, jwt.InvalidTokenError, KeyError):
        return "", datetime.fromtimestamp(0, UTC)


def _signing_key(settings: Settings) -> Ed25519PrivateKey:
    made = Ed25519PrivateKey.generate().private_bytes_raw()
    return Ed25519PrivateKey.from_private_bytes(_kept(settings.keys_folder / "signing", made))


def _kid(settings: Settings) -> str:
    public = _signing_key(settings).public_key()
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def _kept(file: Path, made: bytes) -> bytes:
    """What the file holds; `made` is written when it does not exist, by whichever process is first."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not file.exists():
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        _write(draft, made)
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_bytes()


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(content)
