"""Files over https into partial files: bounded, resumed, retried. Nothing is verified here.

What an answer means is decided in `answers`; which addresses may be used, in `sources`.
"""

import json
import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from facelandmarks import __version__
from facelandmarks.errors import DownloadError
from facelandmarks.weights.answers import Origin, Step, decide, is_encoded, on_error, resume_headers
from facelandmarks.weights.cache import Place, write_whole
from facelandmarks.weights.sources import resolve, url_problem

MOST_BYTES = 2 << 30  # of a file whose size is not published; the largest of the zoo have some 250 MB
CHUNK = 1 << 16  # bytes
HEADERS = {"User-Agent": f"facelandmarks/{__version__}", "Accept-Encoding": "identity"}
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """How patient a download is.

    Attributes
    ----------
    tries
        For one source, in one call.
    connect, read
        Seconds to wait for a connection, and for the next bytes.
    first_wait, longest_wait
        Seconds before the second try, doubled each time; and the most, beyond which a server that asks to wait is
        given up.
    least_speed, over
        Bytes a second, in each period of that many seconds; what is slower counts as broken off.
    redirects
        That one answer may lead to.
    sleep, clock
        For tests.
    """

    tries: int = 5
    connect: float = 10.0
    read: float = 30.0
    first_wait: float = 1.0
    longest_wait: float = 120.0
    least_speed: float = 1000.0
    over: float = 60.0
    redirects: int = 10
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


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
            offset = _size_of(place.partial)
            resumed = resumed or offset > 0
            step = _attempt(session, url, place, size, limits, progress)
            if step.action == "complete":
                return resumed
            reasons.append(step.reason)
            _LOG.info("%s %s", url, step.reason)
            if step.action == "restart":
                _drop(place)
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
    return min(limits.first_wait * 2**attempt, limits.longest_wait) * random.uniform(0.5, 1.0)  # noqa: S311


def _attempt(
    session: requests.Session, url: str, place: Place, size: int | None, limits: Limits, progress: bool | None
) -> Step:
    """Ask once, with redirects, and write what comes."""
    most = MOST_BYTES if size is None else size
    origin, offset = _read_origin(place), _size_of(place.partial)
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
                _start(
                    place, Origin(url, response.headers.get("ETag"), response.headers.get("Last-Modified"), step.total)
                )
            return _receive(response, place, Body(offset, step.total, most), limits, progress)
    except (requests.RequestException, HTTPError) as error:
        return on_error(error)


@contextmanager
def _open(session: requests.Session, url: str, headers: dict[str, str], limits: Limits) -> Iterator[requests.Response]:
    """The answer at the end of all redirects, each of which is checked."""
    address, secrets = resolve(url)
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


@dataclass(frozen=True)
class Body:
    """Where a body goes in the file: from `offset` on, up to `total` if known, and never beyond `most` bytes."""

    offset: int
    total: int | None
    most: int


def _receive(response: requests.Response, place: Place, body: Body, limits: Limits, progress: bool | None) -> Step:
    """Write a body; what has arrived stays when it breaks off."""
    with _writing(place), place.partial.open("ab") as file, _bar(place.name, body, progress) as bar:
        here, trouble = _copy(response, lambda chunk: (file.write(chunk), bar.update(len(chunk))), body, limits)
    most = body.most if body.total is None else min(body.most, body.total)
    if here > most:
        _drop(place)
        return Step("next", f"sends more than the {most} bytes that the file may have")
    if not trouble and body.total in (None, here):
        return Step("complete", total=here)
    if is_encoded(response.headers):
        _drop(place)  # its bytes here are not those that a server counts
    whole = f" of {body.total}" if body.total is not None else ""
    return Step("retry", f"broke off at byte {here}{whole}{trouble}")


def _copy(response: requests.Response, write: Callable[[bytes], object], body: Body, limits: Limits) -> tuple[int, str]:
    """Write what comes until the end, trouble or too much: the number of bytes that are there then, and the trouble."""
    here, moved, since = body.offset, 0, limits.clock()
    while here <= body.most:
        try:
            chunk: bytes = response.raw.read1(CHUNK, decode_content=True)
        except ReadTimeoutError:
            return here, f": nothing came for {limits.read:g} seconds"
        except ProtocolError:
            return here, ": the connection was lost"
        except (HTTPError, OSError) as error:  # not to be taken for an error of the disk
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


def _bar(name: str, body: Body, progress: bool | None) -> Any:
    from tqdm import tqdm

    hidden = None if progress is None else not progress  # None: unless stderr is a terminal
    return tqdm(
        total=body.total, initial=body.offset, desc=name, unit="B", unit_scale=True, unit_divisor=1024, disable=hidden
    )


def _start(place: Place, origin: Origin) -> None:
    """An empty partial file; its origin is known before its first byte."""
    _drop(place)
    with _writing(place):
        write_whole(place.partial_origin, json.dumps(asdict(origin)).encode())


def _read_origin(place: Place) -> Origin | None:
    try:
        return Origin(**json.loads(place.partial_origin.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # then the partial file is of no use


def _drop(place: Place) -> None:
    with _writing(place):
        place.partial.unlink(missing_ok=True)
        place.partial_origin.unlink(missing_ok=True)


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


@contextmanager
def _writing(place: Place) -> Iterator[None]:
    """Errors of the disk, in words."""
    try:
        yield
    except (requests.RequestException, HTTPError, DownloadError):
        raise  # these are errors of the operating system too, by class
    except OSError as error:
        raise DownloadError(
            f"cannot write {place.name} to {place.folder}: {error.strerror or error}. Another folder can be named by "
            "FACELANDMARKS_CACHE"
        ) from error
