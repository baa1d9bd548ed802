"""Files that have not arrived whole: what is known of them, and the writing of bodies into them."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import requests
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from facelandmarks._files import parse_json, write_file
from facelandmarks.weights.answers import Origin, Step, is_encoded
from facelandmarks.weights.cache import Place, disk_errors

CHUNK = 1 << 16  # bytes


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


@dataclass(frozen=True)
class Body:
    """Where a body goes in the file: from `offset` on, up to `total` if known, and never beyond `most` bytes."""

    offset: int
    total: int | None
    most: int


def receive(response: requests.Response, place: Place, body: Body, limits: Limits, progress: bool | None) -> Step:
    """Write a body; what has arrived stays when it breaks off."""
    with disk_errors(place), place.partial.open("ab") as file, _bar(place.name, body, progress) as bar:
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


def start(place: Place, origin: Origin) -> None:
    """An empty partial file; its origin is known before its first byte."""
    drop(place)
    with disk_errors(place):
        write_file(place.partial_origin, json.dumps(asdict(origin)).encode())


def read_origin(place: Place) -> Origin | None:
    """Where the partial file comes from; None if that is not known, and the file of no use."""
    try:
        return Origin(**parse_json(place.partial_origin.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def drop(place: Place) -> None:
    """Remove a partial file and what is known of it."""
    with disk_errors(place):
        place.partial.unlink(missing_ok=True)
        place.partial_origin.unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """Bytes of a file; 0 if there is none."""
    return path.stat().st_size if path.is_file() else 0
