"""Decide which addresses may be used for weights files: https, `hf://`, and http on this machine."""

import ipaddress
import os
from urllib.parse import urlsplit

from facelandmarks.errors import DownloadError

HUB = "hf://"


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


def hub_parts(url: str) -> tuple[str, str, str | None]:
    """Split an `hf://` address into repository (`owner/name`), path inside it, and revision."""
    path, _, revision = url.removeprefix(HUB).partition("@")
    parts = path.split("/")
    if len(parts) < 3 or any(part in ("", ".", "..") for part in parts) or "\\" in url:
        raise DownloadError(f"{url!r} does not have the form hf://owner/repository/path@revision")
    return "/".join(parts[:2]), "/".join(parts[2:]), revision or None


def resolve(url: str) -> tuple[str, dict[str, str]]:
    """Return the https address of a source, and headers for its own host only; a name no hub has is a ValueError."""
    if not url.startswith(HUB):
        return url, {}
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read at the first import
    from huggingface_hub import get_token, hf_hub_url

    repository, path, revision = hub_parts(url)
    token = get_token()
    return hf_hub_url(repository, path, revision=revision), {"Authorization": f"Bearer {token}"} if token else {}
