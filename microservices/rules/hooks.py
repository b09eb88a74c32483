"""Sends events to hooks: an HTTP POST, signed as GitHub signs its webhooks.

`X-MrData-Signature: sha256=<hex>` is the HMAC (RFC 2104) with SHA-256 over the body as it was sent, with the hook's
secret.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from policy.zone.settings import Hook


class NoSecret(Exception):
    """The hook's secret cannot be used; the message says why and what to do."""


def post(hook: Hook, event_id: str, body: bytes, timeout: float) -> str:
    """Why the hook has not taken the event, empty where it has (any 2xx).

    `timeout` in seconds. Never names the address or the secret.
    """
    import requests

    try:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "MrData",
            "X-MrData-Event": event_id,
            "X-MrData-Signature": signature(_secret(hook.secret_file), body),
        }
        # stream: the body of the answer is nobody's concern, and is not waited for
        with requests.post(
            hook.url, data=body, headers=headers, timeout=timeout, allow_redirects=False, stream=True
        ) as answer:
            return "" if 200 <= answer.status_code < 300 else f"HTTP {answer.status_code}"
    except NoSecret as error:
        return str(error)
    except requests.RequestException as error:
        return f"no answer: {type(error).__name__}"


def signature(secret: bytes, body: bytes) -> str:
    """The value of X-MrData-Signature."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def _secret(file: str) -> bytes:
    try:
        mode = Path(file).stat().st_mode
        secret = Path(file).read_bytes().strip()
    except OSError as error:
        raise NoSecret(f"{file}: {error.strerror}") from error
    if mode & 0o077:
        raise NoSecret(f"{file}: others may read it; chmod 600 {file}")
    if len(secret) < 16:
        raise NoSecret(f"{file}: a secret has 16 characters or more (openssl rand -hex 32 > {file})")
    return secret
