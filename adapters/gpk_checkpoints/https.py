"""Asking a server for a file, over https alone. Light: the standard library.

http is for this machine's own servers. A redirect may leave the server, but not https, so that nobody on the way can
put another file in the place of the one that was asked for (RFC 9110, section 15.4; RFC 6797 on why).
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPMessage
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from gpk.errors import ExtraError

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Names of this machine."""
PAGES = ("text/html", "application/json")
"""Media types of an apology or a login, never of weights."""
PASSING = (408, 416, 425, 429, 500, 502, 503, 504)
"""Answers that another try may change."""

TROUBLE = (OSError, http.client.HTTPException)
"""What a connection that fails or breaks off raises; URLError and timeouts are OSErrors."""


class _StayingSecure(HTTPRedirectHandler):
    """Follows a redirect where `refuse_insecure` lets it."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """The request for the new address; raises ExtraError where that is not secure."""
        if not (_own(newurl) and _own(req.full_url)):
            try:
                refuse_insecure(newurl, own=False)
            except ExtraError:
                fp.close()
                raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def opened(url: str, *, headers: Mapping[str, str] | None = None, timeout: float) -> Iterator[http.client.HTTPResponse]:
    """The server's answer to a GET, its body not yet read; nothing is silent for longer than `timeout` seconds.

    Raises one of TROUBLE, or ExtraError where the address is not secure or what comes is a web page.
    """
    refuse_insecure(url)
    # Some servers refuse Python's own name; a compressed body could not be resumed.
    request = Request(url, headers={"User-Agent": "gpk", "Accept-Encoding": "identity", **(headers or {})})
    with build_opener(_StayingSecure).open(request, timeout=timeout) as response:
        kind = response.headers.get_content_type() if "Content-Type" in response.headers else ""
        if kind in PAGES:
            raise ExtraError(f"{url} is answered with a page ({kind}) instead of a file; perhaps it wants a login")
        yield response


def refuse_insecure(url: str, *, own: bool = True) -> None:
    """Raises ExtraError where `url` is neither https nor, if `own`, http to this machine itself."""
    if urlsplit(url).scheme != "https" and not (own and _own(url)):
        raise ExtraError(
            f"{url} is not fetched: weights come over https alone, so that nobody can change them on the way"
        )


def published_size(url: str, *, timeout: float) -> int | None:
    """Bytes of the file at `url`, None where the server does not tell; raises ExtraError where it cannot be had.

    A GET that is hung up on: servers that sign their addresses refuse a HEAD.
    """
    try:
        with opened(url, timeout=timeout) as response:
            return response.length
    except TROUBLE as error:
        raise ExtraError(f"{url} cannot be fetched: {reason(error)}") from error


def passes(error: BaseException) -> bool:
    """Whether another try may go better."""
    if isinstance(error, HTTPError):
        return error.code in PASSING
    cause = error.reason if isinstance(error, URLError) else error
    return not isinstance(cause, ssl.SSLCertVerificationError)


def reason(error: BaseException) -> str:
    """What one of TROUBLE was, in words."""
    if isinstance(error, HTTPError):
        with error:
            hints = {401: "; it wants a login", 403: "; it may want a login, or be gone", 404: "; it may have moved"}
            return f"the server says {error.code} {error.reason}{hints.get(error.code, '')}"
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return "the server is silent"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__


def _own(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in LOOPBACK
