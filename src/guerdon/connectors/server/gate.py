"""Who may ask: the token, and no page in somebody's browser.

A server on loopback can be reached by every page that its user opens. A page's POST bears an
Origin; a page that has made its own name point here (DNS rebinding) bears that name as Host; and
without leave, which is never given here, a page can't send ``application/json``.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from guerdon.connectors.server.limits import Refused

_PRINTABLE = re.compile(r"[!-~]*")

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


def is_loopback(address: str) -> bool:
    """True where only this machine reaches ``address`` (an IP address)."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


@dataclass(frozen=True, repr=False)
class Gate:
    """``token`` empty lets everybody in; ``hosts`` empty takes any Host.

    Raises ValueError where the token can't be sent in a header.
    """

    token: str = ""
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _PRINTABLE.fullmatch(self.token):
            raise ValueError(
                "the token must be printable ASCII without spaces, since HTTP carries no other; "
                "python -c 'import secrets; print(secrets.token_urlsafe(32))' makes one"
            )

    def check_page(self, headers: Mapping[str, str]) -> None:
        """Raise Refused (403) for what a browser's page sends, or another Host than ours."""
        if "origin" in headers:
            raise Refused(403, "requests of web pages (with an Origin header) are not answered")
        host = _name_of(headers.get("host", ""))
        if self.hosts and host not in self.hosts:
            raise Refused(
                403,
                f"this server is not called {host!r:.80}; start it with --allow-hosts NAME if a "
                "proxy or a client calls it so",
            )

    def check_token(self, headers: Mapping[str, str], query: bytes) -> None:
        """Raise Refused (401) without the token, as a bearer or, for OpenRLHF, ``?token=``."""
        if not self.token:
            return
        kind, _, given = headers.get("authorization", "").partition(" ")
        offered = given.strip().encode("latin-1") if kind.lower() == "bearer" else _token_in(query)
        if not hmac.compare_digest(offered, self.token.encode()):
            raise Refused(401, "give the server's token as 'Authorization: Bearer TOKEN'")


def _token_in(query: bytes) -> bytes:
    for field in query.split(b"&"):
        name, _, value = field.partition(b"=")
        if name == b"token":
            return unquote_to_bytes(value)
    return b""


def _name_of(host: str) -> str:
    """The name in a Host header, without port and case."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].removesuffix(".")


def hosts_for(address: str, host: str, more: Sequence[str]) -> tuple[str, ...]:
    """The names that requests may call us by: any, unless we listen on loopback.

    Elsewhere there is a token, which a page does not know.
    """
    if not is_loopback(address):
        return ()
    names = (*LOCAL_NAMES, host, address, *more)
    return tuple(dict.fromkeys(name.lower().removesuffix(".") for name in names))


def check_length(headers: Mapping[str, str]) -> None:
    """Raise Refused (400) for a body of two lengths: a proxy may have read the other one.

    What follows on the connection would then be somebody else's request.
    """
    if "transfer-encoding" in headers and "content-length" in headers:
        raise Refused(400, "a request has Content-Length or Transfer-Encoding, and not both")


def check_json(headers: Mapping[str, str]) -> None:
    """Raise Refused (415) unless the body is said to be plain JSON."""
    kind, _, rest = headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "application/json":
        raise Refused(415, "send JSON and say so: Content-Type: application/json")
    if "charset" in rest.lower() and "utf-8" not in rest.lower():
        raise Refused(415, "send JSON in UTF-8")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Refused(415, "send the body uncompressed, without Content-Encoding")
