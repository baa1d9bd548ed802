"""Files over https into partial files: bounded, resumed, retried. Nothing is verified here.

What an answer means is decided in `answers`; which addresses may be used, in `sources`.
"""

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError

from facelandmarks.errors import DownloadError
from facelandmarks.weights.answers import Origin, Step, decide, on_error, resume_headers
from facelandmarks.weights.cache import MOST_BYTES, Place
from facelandmarks.weights.partial import Body, Limits, drop, read_origin, receive, size_of, start
from facelandmarks.weights.sources import resolve, url_problem

HEADERS = {"User-Agent": "facelandmarks", "Accept-Encoding": "identity"}
_LOG = logging.getLogger(__name__)


class SourceError(DownloadError):
    """One source does not give the file; another may."""


def transfer(url: str, place: Place, size: int | None, limits: Limits, *, progress: bool | None = None) -> bool:
    """Make `place.partial` a whole file, by the source's word; True if a part of it was here before.

    Parameters
    ----------
    url
        https, http of this machine, or hf.
    place
        Where to; the folder must exist and the lock be held.
    size
        Bytes of the file by the manifest; None if not published.
    limits
        How patient to be.
    progress
        Whether to show a bar on stderr; None: if that is a terminal.

    Raises
    ------
    SourceError
        If this source does not give the file. What has arrived stays for the next time.
    DownloadError
        If it cannot be written.
    """
    resumed = False
    reasons = []
    with requests.Session() as session:
        session.headers.update(HEADERS)
        for attempt in range(limits.tries):
            offset = size_of(place.partial)
            resumed = resumed or offset > 0
            step = _attempt(session, url, place, size, limits, progress)
            if step.action == "complete":
                return resumed
            reasons.append(step.reason)
            _LOG.info("%s %s", url, step.reason)
            if step.action == "restart":
                drop(place)
            wait = _wait(step, attempt, limits)
            if step.action == "next" or wait > limits.longest_wait:
                break
            if attempt + 1 < limits.tries:
                limits.sleep(wait)
    tried = f" ({len(reasons)} tries)" if len(reasons) > 1 else ""
    raise SourceError(f"{url} {reasons[-1]}{tried}")


def _wait(step: Step, attempt: int, limits: Limits) -> float:
    """Seconds until the next try: what the server asks for, or longer each time, and never for all clients at once."""
    if step.wait is not None:
        return step.wait
    if step.action == "restart":
        return 0.0
    longer: float = min(limits.first_wait * 2**attempt, limits.longest_wait)
    return longer * random.uniform(0.5, 1.0)  # noqa: S311


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
                offset = 0
                start(
                    place, Origin(url, response.headers.get("ETag"), response.headers.get("Last-Modified"), step.total)
                )
            return receive(response, place, Body(offset, step.total, most), limits, progress)
    except (requests.RequestException, HTTPError) as error:
        return on_error(error)


@contextmanager
def _open(session: requests.Session, url: str, headers: dict[str, str], limits: Limits) -> Iterator[requests.Response]:
    """The answer at the end of all redirects, each of which is checked."""
    try:
        address, secrets = resolve(url)
    except ValueError as error:  # the hub's library knows more rules for names
        raise SourceError(f"{url}: {error}") from error
    seen: list[str] = []
    while True:
        problem = url_problem(address, seen[-1] if seen else None)
        if problem or address in seen or len(seen) > limits.redirects:
            raise SourceError(f"{url}: {problem or f'redirects lead in a circle or too far: {address}'}")
        seen.append(address)
        with session.get(
            address,
            headers={**headers, **secrets},
            stream=True,
            allow_redirects=False,
            timeout=(limits.connect, limits.read),
        ) as response:
            step = decide(response.status_code, response.headers, offset=0, origin=None, size=None, most=MOST_BYTES)
            if step.action != "redirect":
                yield response
                return
        address, secrets = urljoin(address, step.reason), {}
