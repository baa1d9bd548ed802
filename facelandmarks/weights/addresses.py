"""Decide which addresses may be used for weights files: https, `hf://`, and http on this machine."""

import ipaddress
import re
from urllib.parse import urlsplit

from facelandmarks.errors import DownloadError

HUB = "hf://"
# As the hub writes them; a revision with a slash only for pull requests.
HUB_FORM = re.compile(
    r"hf://(?P<repository>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)"
    r"(@(?P<revision>refs/pr/\d+|[\w.+-]+))?(/(?P<path>[^@\\\s]+))?",
    re.ASCII,
)


def url_problem(url: str, before: str | None = None) -> str | None:
    """Return why an address must not be used, or None.

    https is fine; so is http on the loopback addresses of this machine, unless `before`, which led there, is https.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"{url!r} is not an address: {error}"
    if any(ord(letter) <= ord(" ") for letter in url) or not host:
        return f"{url!r} is not an address"
    if parts.username is not None or parts.password is not None:
        return f"an address must not hold a user name or password: {host} (put them into ~/.netrc)"
    if parts.scheme == "https":
        return None
    if parts.scheme != "http":
        return f"{url} is neither https nor hf"
    if not is_loopback(host):
        return f"{url} is plain http: only https can be trusted"
    return f"{before} leads to plain http: {url}" if before and urlsplit(before).scheme != "http" else None


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its name alone, without a name server."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def source_problem(url: str) -> str | None:
    """Return why an address of the manifest or of FACELANDMARKS_MIRROR must not be used, or None."""
    if not url.startswith(HUB):
        return url_problem(url)
    try:
        hub_parts(url)
    except DownloadError as error:
        return str(error)
    return None


def hub_parts(url: str, *, need_path: bool = True) -> tuple[str, str, str | None]:
    """Split an `hf://` address into repository (`owner/name`), path inside it, and revision.

    The path is empty if there is none; with `need_path` that is a `DownloadError`, as are all other forms.
    """
    match = HUB_FORM.fullmatch(url)
    path = (match["path"] or "") if match else ""
    if match is None or any(part in ("", ".", "..") for part in path.split("/")) != (path == ""):
        raise DownloadError(f"{url!r} does not have the form hf://owner/repository@revision/file")
    if need_path and not path:
        raise DownloadError(f"{url!r} names no file: expected hf://owner/repository@revision/file")
    return match["repository"], path, match["revision"]
