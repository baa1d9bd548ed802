"""Which addresses may be used, and in which order."""

import ipaddress
import os
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from facelandmarks.errors import DownloadError

if TYPE_CHECKING:
    from facelandmarks.weights.manifest import FileRecord

HUB = "hf://"


def url_problem(url: str, before: str | None = None) -> str | None:
    """Why an address must not be used, or None.

    Parameters
    ----------
    url
        The address. https, or http on this machine's own loopback addresses.
    before
        The address that led to it; from https nothing leads to http.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"{url!r} is no address: {error}"
    if any(ord(letter) <= ord(" ") for letter in url) or not host:
        return f"{url!r} is no address"
    if parts.username is not None or parts.password is not None:
        return f"an address must not hold a user's name or password: {host} (put them into ~/.netrc)"
    if parts.scheme == "https":
        return None
    if parts.scheme != "http":
        return f"{url} is neither https nor hf"
    if not is_loopback(host):
        return f"{url} is plain http: only https can be trusted"
    if before is not None and urlsplit(before).scheme != "http":
        return f"{before} leads to plain http: {url}"
    return None


def hub_problem(url: str) -> str | None:
    """Why an `hf://owner/repository/path@revision` must not be used, or None."""
    try:
        hub_parts(url)
    except DownloadError as error:
        return str(error)
    return None


def source_problem(url: str) -> str | None:
    """Why an address of the manifest or of FACELANDMARKS_MIRROR must not be used, or None."""
    return hub_problem(url) if url.startswith(HUB) else url_problem(url)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name alone, without asking a name server."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def hub_parts(url: str) -> tuple[str, str, str | None]:
    """Repository (`owner/name`), path inside it and revision of an `hf://` address.

    Raises
    ------
    DownloadError
        If it is not of that form.
    """
    path, _, revision = url.removeprefix(HUB).partition("@")
    parts = path.split("/")
    if len(parts) < 3 or any(part in ("", ".", "..") for part in parts) or "\\" in url:
        raise DownloadError(f"{url!r} is not of the form hf://owner/repository/path@revision")
    return "/".join(parts[:2]), "/".join(parts[2:]), revision or None


def resolve(url: str) -> tuple[str, dict[str, str]]:
    """The https address of a source, and headers that only its own host may see."""
    if not url.startswith(HUB):
        return url, {}
    from huggingface_hub import get_token, hf_hub_url

    repository, path, revision = hub_parts(url)
    token = get_token()
    return hf_hub_url(repository, path, revision=revision), {"Authorization": f"Bearer {token}"} if token else {}


def sources_of(record: "FileRecord") -> list[str]:
    """Addresses to try, in order: FACELANDMARKS_MIRROR (files by name), then the manifest's.

    Raises
    ------
    DownloadError
        If the mirror is neither https nor on this machine.
    """
    mirror = os.environ.get("FACELANDMARKS_MIRROR", "").strip()
    first = [f"{mirror.rstrip('/')}/{quote(record.name)}"] if mirror else []
    sources = [*first, *record.urls]
    problem = next((found for found in map(source_problem, sources) if found), None)
    if problem:
        raise DownloadError(f"{problem}. It stands in FACELANDMARKS_MIRROR or in the manifest")
    return sources


def by_hand(record: "FileRecord", folder: os.PathLike[str]) -> str:
    """How a person gets the file."""
    places = [url for url in record.urls if not url.startswith(HUB)] + [page["url"] for page in record.pages]
    where = f" from {' or '.join(places)}" if places else ""
    return (
        f"Fetch {record.name} by hand{where}, then register it: facelandmarks-weights add {record.name} FILE "
        f"(it goes into {folder})"
    )
