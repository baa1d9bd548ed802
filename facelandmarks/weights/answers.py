"""What a server's answer means for a download: decided here, without network; `download` acts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import RequestException, SSLError, Timeout
from urllib3.exceptions import HTTPError, MaxRetryError, NameResolutionError

REDIRECTS = (301, 302, 303, 307, 308)
BUSY = (408, 425, 429, 500, 502, 503, 504)  # may be better in a moment
CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19}|\*)")


@dataclass(frozen=True)
class Origin:
    """Where a partial file comes from, and how to tell that the server still has the same one.

    Attributes
    ----------
    url
        The address in the manifest.
    etag, modified
        Headers of the answer, if any.
    total
        Bytes of the whole file, if known.
    """

    url: str
    etag: str | None
    modified: str | None
    total: int | None


@dataclass(frozen=True)
class Step:
    """What to do next.

    Attributes
    ----------
    action
        `write` the body from the start, `append` it, follow the `redirect`, take the partial file as `complete`,
        `restart` from the first byte, `retry` after a while, or go to the `next` source.
    reason
        For people; of a redirect, where to.
    wait
        Seconds that the server asks for.
    total
        Bytes of the whole file, if known.
    """

    action: Literal["write", "append", "redirect", "complete", "restart", "retry", "next"]
    reason: str = ""
    wait: float | None = None
    total: int | None = None


def decide(
    status: int, headers: Mapping[str, str], *, offset: int, origin: Origin | None, size: int | None, most: int
) -> Step:
    """What an answer means.

    Parameters
    ----------
    status, headers
        Of the answer; the mapping must not mind upper and lower case.
    offset
        Bytes that are here already; from there on the rest was asked for, unless it is 0.
    origin
        Of the partial file.
    size
        Bytes of the file by the manifest, if known.
    most
        Bytes that a file may have.
    """
    if status in REDIRECTS:
        place = headers.get("Location")
        return Step("redirect", place) if place else Step("next", f"answered {status} without saying where to")
    if status in BUSY:
        return Step("retry", f"answered {status}", wait=retry_after(headers.get("Retry-After")))
    if status == 416:
        return _decide_unsatisfiable(headers, offset)
    if status not in (200, 206):
        return Step("next", f"answered {status}")
    if headers.get("Content-Type", "").lower().startswith("text/html"):
        return Step("next", "sent a web page, not a file")
    return _decide_part(headers, offset, origin) if status == 206 else _decide_whole(headers, size, most)


def _decide_whole(headers: Mapping[str, str], size: int | None, most: int) -> Step:
    length = None if is_encoded(headers) else _number(headers.get("Content-Length"))
    if length is not None and size is not None and length != size:
        return Step("next", f"offers {length} bytes, not {size}")
    if length is not None and length > most:
        return Step("next", f"offers {length} bytes, more than the {most} that a file may have")
    return Step("write", total=length if length is not None else size)


def _decide_part(headers: Mapping[str, str], offset: int, origin: Origin | None) -> Step:
    match = CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if offset == 0 or origin is None or match is None or match[1] is None or int(match[1]) != offset:
        return Step(
            "restart", f"sent another part than asked for: {headers.get('Content-Range', 'of an unknown range')}"
        )
    tag, total = headers.get("ETag", origin.etag), _number(match[3])
    if is_encoded(headers) or tag != origin.etag or total not in (None, origin.total):
        return Step("restart", "has another file than before")
    return Step("append", total=origin.total)


def _decide_unsatisfiable(headers: Mapping[str, str], offset: int) -> Step:
    match = CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if match is not None and _number(match[3]) == offset > 0:
        return Step("complete", total=offset)
    return Step("restart" if offset else "next", "answered 416")


def on_error(error: RequestException | HTTPError) -> Step:
    """What a failure of the network means."""
    if isinstance(error, SSLError):
        return Step("next", f"has no valid certificate, or speaks no TLS: {error}")
    cause = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError) and isinstance(cause.reason, NameResolutionError):
        return Step("next", "has an address that no name server knows")
    if isinstance(error, (NoConnection, Timeout, HTTPError)):
        return Step("retry", f"broke off or did not answer: {error}")
    return Step("next", f"failed: {error}")


def resume_headers(origin: Origin | None, url: str, offset: int) -> dict[str, str]:
    """Headers that ask for the rest of a partial file; empty if it cannot be told that the rest would fit."""
    if offset == 0 or origin is None or origin.url != url or origin.total is None or offset > origin.total:
        return {}
    strong = origin.etag if origin.etag is not None and not origin.etag.startswith("W/") else None
    validator = strong or origin.modified
    return {"Range": f"bytes={offset}-", **({"If-Range": validator} if validator else {})}


def retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date; None if there is none."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def is_encoded(headers: Mapping[str, str]) -> bool:
    """Whether the body is compressed, though it was asked not to be."""
    return headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() else None
