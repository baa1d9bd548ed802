"""Fetch files over https: bounded, resumed, retried, not verified. `decide` judges an answer, `transfer` acts."""

import json
import logging
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urljoin

import requests
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import RequestException, SSLError, Timeout
from urllib3.exceptions import HTTPError, MaxRetryError, NameResolutionError, ProtocolError, ReadTimeoutError
from urllib3.util import Retry

from facelandmarks._files import parse_json, write_file
from facelandmarks.errors import DownloadError
from facelandmarks.weights.cache import MOST_BYTES, Place, disk_errors, drop
from facelandmarks.weights.manifest import url_problem

HEADERS = {"User-Agent": "facelandmarks", "Accept-Encoding": "identity"}
REDIRECTS = (301, 302, 303, 307, 308)
BUSY = (408, 425, 429, 500, 502, 503, 504)  # may be better in a moment
CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19}|\*)")
CHUNK = 1 << 16  # bytes
NO_HOST = "cannot resolve host"
_LOG = logging.getLogger(__name__)


class SourceError(DownloadError):
    """A source that does not give the file; another may."""


@dataclass(frozen=True)
class Limits:
    """How patient a download is; times in seconds."""

    tries: int = 5  # for one source, in one call
    connect: float = 10.0  # to wait for a connection
    read: float = 30.0  # to wait for the next bytes
    first_wait: float = 1.0  # before the second try; doubled each time
    longest_wait: float = 120.0  # a server that asks for more is given up
    least_speed: float = 1000.0  # bytes a second; a slower transfer counts as broken off
    over: float = 60.0  # which the speed is measured
    redirects: int = 10
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class Origin:
    """The source of a partial file, and how to tell that the server still has the same file."""

    url: str
    etag: str | None
    modified: str | None
    total: int | None  # bytes of the whole file, if known


@dataclass(frozen=True)
class Step:
    """What to do next."""

    # Write the body from the start, append it, follow the redirect, accept the partial file as complete, restart from
    # the first byte, retry after a while, or go to the next source.
    action: Literal["write", "append", "redirect", "complete", "restart", "retry", "next"]
    reason: str = ""  # for people; of a redirect, its target
    wait: float | None = None  # seconds until the next try; None: longer each time
    total: int | None = None  # bytes of the whole file, if known


def decide(
    status: int, headers: Mapping[str, str], *, offset: int, origin: Origin | None, size: int | None, most: int
) -> Step:
    """Decide what an answer means.

    The partial file has `offset` bytes (unless 0, only those after it were asked for) and came from `origin`; the file
    has `size` bytes by the manifest, if known, and may have at most `most`.
    """
    if status in REDIRECTS:
        target = headers.get("Location")
        return Step("redirect", target) if target else Step("next", f"answered {status} without a Location")
    if status in BUSY:
        return Step("retry", f"answered {status}", wait=retry_after(headers.get("Retry-After")))
    if status not in (200, 206, 416):
        return Step("next", f"answered {status}")
    if status != 416 and headers.get("Content-Type", "").lower().startswith("text/html"):
        return Step("next", "sent a web page, not a file")
    if status != 200:
        return _decide_part(status, headers, offset, origin)
    length = None if is_encoded(headers) else _number(headers.get("Content-Length"))
    if length is not None and size is not None and length != size:
        return Step("next", f"offers {length} bytes, not {size}")
    if length is not None and length > most:
        return Step("next", f"offers {length} bytes, more than the {most} that a file may have")
    return Step("write", total=length if length is not None else size)


def _decide_part(status: int, headers: Mapping[str, str], offset: int, origin: Origin | None) -> Step:
    """Decide about 206 (a part) and 416 (no such part)."""
    match = CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    total = _number(match[3]) if match else None
    if status == 416:
        whole = total == offset > 0
        return Step("complete", total=offset) if whole else Step("restart" if offset else "next", "answered 416", 0.0)
    if offset == 0 or origin is None or match is None or _number(match[1]) != offset:
        sent = headers.get("Content-Range", "of an unknown range")
        return Step("restart", f"sent another part than asked for: {sent}", 0.0)
    same = headers.get("ETag", origin.etag) == origin.etag and total in (None, origin.total)
    if is_encoded(headers) or not same:
        return Step("restart", "has another file than before", 0.0)
    return Step("append", total=origin.total)


def on_error(error: RequestException | HTTPError) -> Step:
    """Decide what a failure of the network means."""
    if isinstance(error, SSLError):
        return Step("next", f"has no valid certificate, or speaks no TLS: {error}")
    cause = error.args[0] if error.args else None
    why: object = error
    if isinstance(cause, MaxRetryError):
        if isinstance(cause.reason, NameResolutionError):
            return Step("next", f"{NO_HOST} {cause.pool.host}")
        why = str(cause.reason).rpartition("): ")[2]  # the address has been named
    if isinstance(error, (NoConnection, Timeout, HTTPError)):
        return Step("retry", f"broke off or did not answer: {why}")
    return Step("next", f"failed: {error}")


def resume_headers(origin: Origin | None, url: str, offset: int) -> dict[str, str]:
    """Return headers that ask for the rest of a partial file; none if nothing shows that the rest would fit."""
    if offset == 0 or origin is None or origin.url != url or origin.total is None or offset > origin.total:
        return {}
    strong = origin.etag if origin.etag is not None and not origin.etag.startswith("W/") else None
    validator = strong or origin.modified
    return {"Range": f"bytes={offset}-", **({"If-Range": validator} if validator else {})}


def retry_after(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header, which is a number or a date; None if it is neither."""
    try:
        return None if value is None else float(Retry().parse_retry_after(value))
    except (HTTPError, ValueError, OverflowError):
        return None


def is_encoded(headers: Mapping[str, str]) -> bool:
    """Return whether the body is compressed, although it was asked not to be."""
    return headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() else None


def transfer(url: str, place: Place, size: int | None, limits: Limits, *, progress: bool | None = None) -> bool:
    """Make `place.partial` a whole file, by the word of its source; return whether a part of it was here before.

    The lock must be held. `size` is the manifest's, in bytes; `progress` is as in `Access`. After a `SourceError`, the
    bytes that have arrived stay for the next time.
    """
    resumed, reasons = False, []
    with requests.Session() as session:
        session.headers.update(HEADERS)
        for attempt in range(limits.tries):
            resumed = resumed or size_of(place.partial) > 0
            step = _attempt(session, url, place, size, limits, progress)
            if step.action == "complete":
                return resumed
            reasons.append(step.reason)
            _LOG.info("%s %s", url, step.reason)
            if step.action == "restart":
                drop(place)
            # Longer each time, and never the same for all clients.
            longer = min(limits.first_wait * 2**attempt, limits.longest_wait) * random.uniform(0.5, 1.0)  # noqa: S311
            wait = longer if step.wait is None else step.wait
            if step.action == "next" or wait > limits.longest_wait:
                break
            if attempt + 1 < limits.tries:
                limits.sleep(wait)
    tried = f" ({len(reasons)} tries)" if len(reasons) > 1 else ""
    raise SourceError(f"{url} {reasons[-1]}{tried}")


def _attempt(
    session: requests.Session, url: str, place: Place, size: int | None, limits: Limits, progress: bool | None
) -> Step:
    """Ask once, with redirects, and write what comes."""
    most = MOST_BYTES if size is None else size
    origin, offset = read_origin(place), size_of(place.partial)
    if offset and offset == (size if size is not None else origin and origin.url == url and origin.total):
        return Step("complete", total=offset)
    headers = resume_headers(origin, url, offset)
    offset = offset if headers else 0
    try:
        with _open(session, url, headers, limits) as response:
            step = decide(response.status_code, response.headers, offset=offset, origin=origin, size=size, most=most)
            if step.action not in ("write", "append"):
                return step
            if step.action == "write":
                offset, got = 0, response.headers
                drop(place)
                with disk_errors(place):  # the origin is known before the first byte
                    new = Origin(url, got.get("ETag"), got.get("Last-Modified"), step.total)
                    write_file(place.partial_origin, json.dumps(asdict(new)).encode())
            return receive(response, place, Body(offset, step.total, most), limits, progress)
    except (RequestException, HTTPError) as error:
        return on_error(error)


@contextmanager
def _open(session: requests.Session, url: str, headers: dict[str, str], limits: Limits) -> Iterator[requests.Response]:
    """Open the answer at the end of all redirects, each of which is checked."""
    address = url
    seen: list[str] = []
    while True:
        problem = url_problem(address, seen[-1] if seen else None)
        if problem or address in seen or len(seen) > limits.redirects:
            raise SourceError(f"{url}: {problem or f'redirects lead in a circle or too far: {address}'}")
        seen.append(address)
        patience = (limits.connect, limits.read)
        with session.get(address, headers=headers, stream=True, allow_redirects=False, timeout=patience) as response:
            step = decide(response.status_code, response.headers, offset=0, origin=None, size=None, most=MOST_BYTES)
            if step.action != "redirect":
                yield response
                return
        address = urljoin(address, step.reason)


@dataclass(frozen=True)
class Body:
    """The part of a file that a body is, in bytes: from `offset` on, up to `total` if known, never beyond `most`."""

    offset: int
    total: int | None
    most: int


def receive(response: requests.Response, place: Place, body: Body, limits: Limits, progress: bool | None) -> Step:
    """Write a body; the bytes that have arrived stay when it breaks off."""
    from tqdm import tqdm

    hidden = None if progress is None else not progress  # None: unless stderr is a terminal
    count = {"total": body.total, "initial": body.offset}
    bar = tqdm(desc=place.name, disable=hidden, unit="B", unit_scale=True, unit_divisor=1024, **count)
    with disk_errors(place), place.partial.open("ab") as file, bar:
        here, trouble = _copy(response, lambda chunk: (file.write(chunk), bar.update(len(chunk))), body, limits)
    most = body.most if body.total is None else min(body.most, body.total)
    if here > most:
        drop(place)
        return Step("next", f"sends more than the {most} bytes that the file may have")
    if not trouble and body.total in (None, here):
        return Step("complete", total=here)
    if is_encoded(response.headers):
        drop(place)  # its bytes here are not those that a server counts
    whole = f" of {body.total}" if body.total is not None else ""
    return Step("retry", f"broke off at byte {here}{whole}{trouble}")


def _copy(response: requests.Response, write: Callable[[bytes], object], body: Body, limits: Limits) -> tuple[int, str]:
    """Write until the end, trouble or too much; return the bytes that are there then, and the trouble."""
    here, moved, since = body.offset, 0, limits.clock()
    while here <= body.most:
        try:
            chunk: bytes = response.raw.read1(CHUNK, decode_content=True)
        except ReadTimeoutError:
            return here, f": nothing came for {limits.read:g} seconds"
        except ProtocolError:
            return here, ": the connection was lost"
        except (HTTPError, OSError) as error:  # not to be mistaken for an error of the disk
            return here, f": {error}"
        if not chunk:
            return here, ""
        write(chunk)
        here, moved = here + len(chunk), moved + len(chunk)
        if limits.clock() - since > limits.over:
            if moved < limits.least_speed * limits.over:
                return here, f": less than {limits.least_speed:g} bytes a second came"
            moved, since = 0, limits.clock()
    return here, ""


def read_origin(place: Place) -> Origin | None:
    """Read the origin of the partial file; None if it is unknown, and the file useless."""
    try:
        return Origin(**parse_json(place.partial_origin.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def size_of(path: Path) -> int:
    """Return the bytes of a file; 0 if it is missing."""
    return path.stat().st_size if path.is_file() else 0
