"""Files of the Hugging Face Hub, by its own library: its cache, token, endpoint, offline mode and progress bars.

What the manifest does not name is pinned at first use: the commit of the revision, and the SHA-256 of each file.
"""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from facelandmarks._files import parse_json, sha256_of, write_file
from facelandmarks._rules import first_problem, hexadecimal, is_text, matching, one_of, table_of
from facelandmarks.errors import ChecksumError, DownloadError, FaceLandmarksError, OfflineError
from facelandmarks.weights.cache import MOST_BYTES, Access, Place, is_offline
from facelandmarks.weights.manifest import HUB, hub_parts, url_problem

PIN_SCHEMA = "facelandmarks-hub-pin/1"
_commit = matching("[0-9a-f]{40}")
_RULES = {
    "schema": (PIN_SCHEMA, one_of((PIN_SCHEMA,))),
    "address": ("an address", is_text),
    "commit": ("40 hexadecimal digits", _commit),
    "files": ("digests by file", table_of(hexadecimal("64"))),
}
_LOG = logging.getLogger(__name__)


def import_hub() -> Any:
    """Import huggingface-hub without its telemetry."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read at the first import; a user's own setting stands
    import huggingface_hub.constants
    import huggingface_hub.errors
    import huggingface_hub.utils  # of these it has none before they are imported

    return huggingface_hub


def download(url: str, access: Access, revision: str | None = None, most: int = MOST_BYTES) -> tuple[Path, str]:
    """Return where the hub's cache has the file of an `hf://` address, and its commit; it is fetched if need be.

    `revision` replaces the address's own; a file of more than `most` bytes is not fetched.
    """
    hub = import_hub()
    repository, file, own = hub_parts(url)
    endpoint = _endpoint(hub)
    offline, wanted = is_offline(access.offline), revision or own or "main"
    with _errors(f"cannot fetch {url}", offline, access.progress):
        cached = _commit(wanted) and isinstance(hub.try_to_load_from_cache(repository, file, revision=wanted), str)
        if not offline and not cached:
            found = hub.get_hf_file_metadata(
                hub.hf_hub_url(repository, file, revision=wanted, endpoint=endpoint), token=hub.get_token()
            )
            if found.size is not None and found.size > most:
                raise DownloadError(f"{url} has {found.size} bytes, more than the {most} that it may have")
            if not _commit(found.commit_hash) or (_commit(wanted) and found.commit_hash != wanted):
                raise DownloadError(f"{url}: the hub answered with commit {found.commit_hash!r:.60}, not {wanted}")
            wanted = found.commit_hash
        path = hub.hf_hub_download(
            repository, file, revision=wanted, endpoint=endpoint, local_files_only=offline, token=None
        )
    # HUB_CACHE/models--owner--name/snapshots/COMMIT/file
    return Path(path), Path(path).parents[file.count("/")].name


def _endpoint(hub: Any) -> str:
    """Return the address of the hub: HF_ENDPOINT, as it is now, or the usual one."""
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or str(hub.constants.ENDPOINT)
    if problem := url_problem(endpoint):
        raise DownloadError(f"{problem}. Correct HF_ENDPOINT")
    return endpoint


def upload(folder: Path, url: str, message: str, *, private: bool | None = None) -> str:
    """Commit a folder to the repository of an `hf://` address, made if it is missing; return the commit's address."""
    hub = import_hub()
    repository, _, revision = hub_parts(url, need_path=False)
    if is_offline():
        raise OfflineError(f"cannot push to {url}: offline mode forbids the network")
    with _errors(f"cannot push to {url}"):
        api = hub.HfApi(endpoint=_endpoint(hub))
        api.create_repo(repository, private=private, exist_ok=True)
        done = api.upload_folder(repo_id=repository, folder_path=folder, revision=revision, commit_message=message)
    return str(done.commit_url)


@contextmanager
def _errors(what: str, offline: bool = False, progress: bool | None = None) -> Iterator[None]:
    """Turn what the hub's library raises into errors of ours, and hide its progress bars if they are not wanted."""
    hub = import_hub()
    bars, failures = hub.utils, hub.errors.HfHubHTTPError.__bases__
    hidden = progress is False and not bars.are_progress_bars_disabled()
    if hidden:
        bars.disable_progress_bars()
    try:
        yield
    except FaceLandmarksError:
        raise
    except (OSError, ValueError, RuntimeError, *failures) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        if offline:
            raise OfflineError(f"{what}: it is not in the hub's cache, and offline mode forbids the network") from error
        hint = "; for a private or gated repository: hf auth login" if "401" in reason or "403" in reason else ""
        raise DownloadError(f"{what}: {reason}{hint}") from error
    finally:
        if hidden:
            bars.enable_progress_bars()


def pin_path(url: str, folder: Path) -> Path:
    """Return where the pin of an address's repository and revision is."""
    repository, _, revision = hub_parts(url, need_path=False)
    key = sha256(f"{repository}@{revision or 'main'}".encode()).hexdigest()[:16]
    return Place(folder, f"hub.{repository.replace('/', '.')[:100]}.{key}").pin


def pinned(url: str, access: Access, most: int = MOST_BYTES) -> tuple[Path, str]:
    """Return the file of an address and its SHA-256, which are those of the first use, or a `ChecksumError`.

    Until the pin is removed, a revision means the commit that it was at first.
    """
    place, (_, file, revision) = pin_path(url, access.folder), hub_parts(url)
    pin = read_hub_pin(place) or {"commit": revision, "files": {}}
    path, commit = download(url, access, pin["commit"], most)
    digest, known = sha256_of(path), pin["files"].get(file)
    if known is not None and known != digest:
        raise ChecksumError(
            f"{url} has changed: the SHA-256 of {file} at commit {commit} is {digest}, but {known} was pinned at first "
            f"use. If you trust the new file: facelandmarks-weights clean {repository_of(url)}"
        )
    if known is None:
        _LOG.warning("%s is not in the manifest: commit %s, SHA-256 %s, pinned from now on", url, commit, digest)
        files = {**pin["files"], file: digest}
        document = {"schema": PIN_SCHEMA, "address": repository_of(url), "commit": commit, "files": files}
        try:
            access.folder.mkdir(parents=True, exist_ok=True)
            write_file(place, (json.dumps(document, indent=1) + "\n").encode())
        except OSError as error:
            _LOG.warning("cannot write %s: %s: what is used next time is not compared with this", place, error)
    return path, digest


def repository_of(url: str) -> str:
    """Return the address of a repository and revision without a file."""
    repository, _, revision = hub_parts(url, need_path=False)
    return f"{HUB}{repository}" + (f"@{revision}" if revision else "")


def read_hub_pin(path: Path) -> dict[str, Any] | None:
    """Read the fields of a pin, if any; one that cannot be read is a `ChecksumError`: without it, any file would do."""
    try:
        fields: dict[str, Any] = parse_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ChecksumError(f"{path} is damaged; if you did not change it, remove it: {error}") from error
    if problem := first_problem(fields, _RULES):
        raise ChecksumError(f"{path} is damaged; if you did not change it, remove it: {problem}")
    return fields
