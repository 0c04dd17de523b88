"""Bearer tokens that expire: fetched when they are first needed, fetched anew before their end and after a 401."""

from __future__ import annotations

import base64
import dataclasses
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson

from multimodal.model.errors import ConfigurationError
from multimodal.transport.errors import LoginRefusedError, RequestRefusedError
from multimodal.transport.stores import Auth, Store

if TYPE_CHECKING:
    from multimodal.transport.session import HttpSession

_BEFORE_ITS_END = 60.0  # seconds: longer than any one call takes to begin
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class TokenServices:
    """Where a cloud gives out tokens; fixed in the store profile, never taken from a key file or an answer.

    Parameters
    ----------
    token_url : str
        Takes signed requests of service accounts (:rfc:`7523` 2.1).
    metadata_url : str
        Of the machine's metadata server, for workload identity.
    scope : str
        What is asked for.
    """

    token_url: str = ""
    metadata_url: str = ""
    scope: str = ""


class Token:
    """A bearer token and how to get the next one.

    Parameters
    ----------
    fetch : callable
        Returns a token and the seconds that it lives; None for a token that says nothing of its end.
    """

    def __init__(self, fetch: Callable[[], tuple[str, float | None]]) -> None:
        self._fetch = fetch
        self._value = ""
        self._until = 0.0
        self._lock = threading.Lock()

    def value(self) -> str:
        """Return a token that is not about to end."""
        with self._lock:
            if not self._value or time.monotonic() > self._until:
                self._renew()
            return self._value

    def renew(self, refused: str) -> bool:
        """Fetch a new token in place of the `refused` one; False if that is the same again."""
        with self._lock:
            if self._value == refused:  # else another thread has been here
                self._renew()
            return self._value != refused

    def _renew(self) -> None:
        self._value, seconds = self._fetch()
        lives = float("inf") if seconds is None else seconds
        self._until = time.monotonic() + max(lives - _BEFORE_ITS_END, lives / 2)


def token_of(store: Store, auth: Auth, services: TokenServices, connect: Callable[[Store], HttpSession]) -> Token:
    """Return the token of a login by bearer, OAuth2 client credentials or password (:rfc:`6749` 4.4, 4.3) or Google.

    Parameters
    ----------
    connect : callable
        Opens a session with the service that gives out tokens.

    Raises
    ------
    ConfigurationError
        If the secret cannot be read, or the store's profile knows no such service.
    """
    if auth.scheme == "client-credentials":
        auth.secret(store.name)
        return Token(lambda: _client_credentials(store, auth, connect))
    if auth.scheme == "password-grant" and (user := auth.inner):
        user.secret(store.name)
        return Token(lambda: _password_grant(store, auth, user, connect))
    if auth.scheme == "google-key":
        key = _service_account(store, auth)
        return Token(lambda: _signed(store, key, _service(store, services.token_url), services.scope, connect))
    if auth.scheme == "google-metadata":
        url = _service(store, services.metadata_url)
        return Token(lambda: _from_metadata(store, url, connect))
    auth.secret(store.name)
    return Token(lambda: (auth.secret(store.name), None))  # a file may have been renewed since


def _service(store: Store, url: str) -> str:
    if not url:
        raise ConfigurationError(
            f"store {store.name}: the profile {store.profile} knows no token service for this login; "
            "use the profile google, or another login"
        )
    return url


def _client_credentials(store: Store, auth: Auth, connect: Callable[[Store], HttpSession]) -> tuple[str, float | None]:
    fields = {"grant_type": "client_credentials", "client_id": auth.user, "client_secret": auth.secret(store.name)}
    if auth.scope:
        fields["scope"] = auth.scope
    return _asked(store, auth.token_url, "POST", urlencode(fields), _FORM, connect)


def _password_grant(
    store: Store, auth: Auth, user: Auth, connect: Callable[[Store], HttpSession]
) -> tuple[str, float | None]:
    fields = {
        "grant_type": "password",
        "client_id": auth.user,
        "username": user.user_of(store.name),
        "password": user.secret(store.name),
    }
    if auth.source != "none":
        fields["client_secret"] = auth.secret(store.name)
    if auth.scope:
        fields["scope"] = auth.scope
    return _asked(store, auth.token_url, "POST", urlencode(fields), _FORM, connect)


def _signed(
    store: Store, key: dict[str, str], url: str, scope: str, connect: Callable[[Store], HttpSession]
) -> tuple[str, float | None]:
    """Ask for a token by a request signed with the key of a service account (RS256, :rfc:`7515`, :rfc:`7523`)."""
    now = int(time.time())
    claims = {"iss": key["client_email"], "scope": scope, "aud": url, "iat": now, "exp": now + 3600}
    header = {"alg": "RS256", "typ": "JWT", "kid": key.get("private_key_id", "")}
    unsigned = f"{_base64url(orjson.dumps(header))}.{_base64url(orjson.dumps(claims))}"
    assertion = f"{unsigned}.{_base64url(_rs256(store, key['private_key'], unsigned.encode()))}"
    fields = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    return _asked(store, url, "POST", urlencode(fields), _FORM, connect)


def _from_metadata(store: Store, url: str, connect: Callable[[Store], HttpSession]) -> tuple[str, float | None]:
    # The server is the machine's own: no proxy leads to it.
    near = dataclasses.replace(store, proxy=None)
    return _asked(near, url, "GET", None, {"Metadata-Flavor": "Google"}, connect)


def _asked(
    store: Store,
    url: str,
    method: str,
    body: str | None,
    headers: dict[str, str],
    connect: Callable[[Store], HttpSession],
) -> tuple[str, float | None]:
    service = dataclasses.replace(store, url=url, auth=None, budget=None)
    try:
        with connect(service) as session:
            answer = session.request(method, "", headers=headers, data=body)
    except RequestRefusedError as error:
        raise LoginRefusedError(
            store.name, f"{url} gives this login no token ({error.status}); check the login", status=error.status
        ) from None  # the answer may repeat what was sent
    try:
        content: Any = orjson.loads(answer.content)
        token, seconds = content["access_token"], content.get("expires_in")
        usable = isinstance(token, str) and token.isascii() and token.isprintable() and bool(token)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        usable = False
    if not usable:
        raise LoginRefusedError(store.name, f"the answer of {url} holds no access_token")
    return token, float(seconds) if isinstance(seconds, (int, float)) else None


def _service_account(store: Store, auth: Auth) -> dict[str, str]:
    """Read the key file of a Google service account."""
    path = Path(auth.reference)
    try:
        key = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        key = None
    wanted = ("client_email", "private_key")
    if not isinstance(key, dict) or not all(isinstance(key.get(name), str) for name in wanted):
        raise ConfigurationError(f"store {store.name}: {path} is no key file of a service account")
    return key


def _rs256(store: Store, pem: str, content: bytes) -> bytes:
    # Imported here: no other login needs it, and it takes a while.
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError(f"store {store.name}: its key file holds no RSA key that can be read") from None
    return key.sign(content, padding.PKCS1v15(), hashes.SHA256())


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
