"""An OpenID Connect issuer on loopback: discovery, its key, and a token for a user's password (RFC 6749 4.3)."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa


class TokenIssuer:
    """Gives tokens with `claims` for the one right login; use it in a ``with`` statement.

    Attributes
    ----------
    login : dict
        Fields of the one token request that is granted.
    claims : dict
        Of its tokens, beside issuer and times.
    """

    def __init__(self, login: dict[str, str], claims: dict[str, Any]) -> None:
        self.login, self.claims = login, claims
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                page = issuer.discovery() if "openid-configuration" in self.path else {"keys": [issuer.public_key()]}
                self.answer(200, page)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                asked = {name: values[0] for name, values in parse_qs(body).items()}
                if asked != issuer.login:
                    return self.answer(401, {"error": "invalid_grant"})
                return self.answer(200, {"access_token": issuer.token(), "expires_in": 300})

            def answer(self, status: int, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/auth/realms/kaapana"

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url, "jwks_uri": f"{self.url}/certs", "token_endpoint": f"{self.url}/token",
            "authorization_endpoint": f"{self.url}/auth", "response_types_supported": ["code"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
        }  # fmt: skip

    def public_key(self) -> dict[str, str]:
        numbers = self._key.public_key().public_numbers()
        return {
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1",
            "n": _base64url(numbers.n.to_bytes(256, "big")), "e": _base64url(numbers.e.to_bytes(3, "big")),
        }  # fmt: skip

    def token(self) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "iat": now, "exp": now + 300, **self.claims}
        parts = ({"alg": "RS256", "typ": "JWT", "kid": "1"}, claims)
        unsigned = ".".join(_base64url(json.dumps(part).encode()) for part in parts)
        signature = self._key.sign(unsigned.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{unsigned}.{_base64url(signature)}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
