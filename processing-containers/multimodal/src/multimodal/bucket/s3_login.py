"""Keys of an object store: fixed ones, or those that a token is exchanged for and that end after a while."""

from __future__ import annotations

import dataclasses
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from xml.etree import ElementTree

from minio.credentials.credentials import Credentials
from minio.credentials.providers import Provider, StaticProvider

from multimodal.transport.errors import LoginRefusedError, RequestRefusedError
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Auth, Store
from multimodal.transport.tokens import Token, TokenServices, token_of

_BEFORE_THEIR_END = timedelta(minutes=2)
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def provider_of(store: Store) -> Provider:
    """Return where a client of `store` gets its keys.

    Raises
    ------
    ConfigurationError
        If a variable or file with a secret cannot be read.
    """
    auth = store.auth or Auth("keys", "", "none")
    if auth.inner is not None:
        return WebIdentity(store, token_of(store, auth.inner, TokenServices(), HttpSession))
    return StaticProvider(auth.user_of(store.name), auth.secret(store.name))


class WebIdentity(Provider):
    """Keys for a bearer token by ``AssumeRoleWithWebIdentity``, exchanged anew two minutes before their end.

    Parameters
    ----------
    store : Store
        The object store; the exchange is at the same address, as MinIO has it.
    token : Token
        The project's token.

    Notes
    -----
    The token goes in the body and never in the address: proxies and servers write addresses into their logs.
    """

    def __init__(self, store: Store, token: Token) -> None:
        self._store = dataclasses.replace(store, auth=None, budget=None)
        self._token = token
        self._keys: Credentials | None = None
        self._until = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()

    def retrieve(self) -> Credentials:
        """Return keys that are not about to end."""
        with self._lock:
            if self._keys is None or datetime.now(UTC) > self._until:
                self._keys, end = self._exchanged()
                self._until = max(end - _BEFORE_THEIR_END, datetime.now(UTC) + (end - datetime.now(UTC)) / 2)
            return self._keys

    def _exchanged(self) -> tuple[Credentials, datetime]:
        token = self._token.value()
        try:
            return self._asked(token)
        except LoginRefusedError:
            if not self._token.renew(token):  # it may have ended early
                raise
            return self._asked(self._token.value())

    def _asked(self, token: str) -> tuple[Credentials, datetime]:
        fields = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "WebIdentityToken": token}
        with HttpSession(self._store) as session:
            try:
                answer = session.request("POST", "", headers=_FORM, data=urlencode(fields))
            except (RequestRefusedError, LoginRefusedError) as error:
                raise LoginRefusedError(
                    self._store.name,
                    f"{self._store.url} gives no keys for this token ({error.status}); may its user use the bucket?",
                    status=error.status,
                ) from None  # the answer may repeat what was sent
        return _keys_in(answer.content, self._store)


def _keys_in(body: bytes, store: Store) -> tuple[Credentials, datetime]:
    try:
        # Four short texts from the server that is about to get our files; expat bounds the growth of entities.
        answer = ElementTree.fromstring(body)  # noqa: S314
        found = {part.tag.rpartition("}")[2]: (part.text or "").strip() for part in answer.iter()}
        end = datetime.fromisoformat(found["Expiration"].replace("Z", "+00:00"))
        return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]), end
    except (ElementTree.ParseError, KeyError, ValueError):
        raise LoginRefusedError(
            store.name, f"the answer of {store.url} holds no keys; is it an object store?"
        ) from None
