"""A real HTTP server on loopback that misbehaves by script.

A route is a list of behaviours, one a request; the last one stays. A behaviour is a function of the request handler.
"""

import contextlib
import gzip
import hashlib
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers by the server's script and notes every request."""

    protocol_version = "HTTP/1.1"
    server: "FaultServer"

    def do_GET(self):
        self.close_connection = True
        with self.server.lock:
            number = sum(path == self.path for path, _ in self.server.requests)
            self.server.requests.append((self.path, dict(self.headers)))
        script = self.server.routes.get(self.path, [status(404)])
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client had enough
            script[min(number, len(script) - 1)](self)

    do_HEAD = do_GET  # noqa: N815 - behaviours that send a body to it are for GET

    def log_message(self, *_):
        pass

    def head(self, code, **headers):
        """Status line and headers; underscores stand for hyphens."""
        self.send_response(code)
        for name, value in {"Connection": "close", **headers}.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def range_start(self):
        """The first byte that was asked for, or None."""
        header = self.headers.get("Range")
        return int(header.removeprefix("bytes=").removesuffix("-")) if header else None


class FaultServer(ThreadingHTTPServer):
    """Serves `routes`; `requests` are the paths and headers that came, in order."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, certificate: Path | None = None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes: dict[str, list[Behaviour]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.lock = threading.Lock()
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def handle_error(self, *_):
        pass  # clients that refuse a certificate break off

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def whole(body, etag='"1"', pause=0.0, piece=1 << 16, ranges=True, sent=None, **headers) -> Behaviour:
    """The body, or the part that was asked for; `sent` bytes of it, then the connection breaks off."""

    def answer(handler):
        start = handler.range_start() if ranges else None
        same = handler.headers.get("If-Range") in (None, etag)
        if start is not None and start >= len(body):
            handler.head(416, Content_Range=f"bytes */{len(body)}", Content_Length=0)
            return
        if start is not None and same:
            part, about = body[start:], {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
        else:
            part, about = body, {}
        handler.head(206 if about else 200, **{"Content_Length": len(part), "ETag": etag, **about, **headers})
        part = part[:sent]
        for at in range(0, len(part), piece):
            handler.wfile.write(part[at : at + piece])
            handler.wfile.flush()
            if pause:
                time.sleep(pause)

    return answer


def hub_file(body, commit, etag=None) -> Behaviour:
    """A file of the Hugging Face Hub, whose answers name the commit."""
    facts = {"X_Repo_Commit": commit, "ETag": etag or f'"{hashlib.sha256(body).hexdigest()}"'}

    def answer(handler):
        handler.head(200, Content_Length=len(body), **facts)
        if handler.command == "GET":
            handler.wfile.write(body)

    return answer


def status(code, **headers) -> Behaviour:
    """An empty answer."""
    return lambda handler: handler.head(code, **{"Content_Length": 0, **headers})


def redirect(place, code=302) -> Behaviour:
    """Elsewhere."""
    return status(code, Location=place)


def wrong_range(body, etag='"1"') -> Behaviour:
    """206 with the first bytes of the file, whatever was asked for."""

    def answer(handler):
        handler.head(206, Content_Length=10, ETag=etag, Content_Range=f"bytes 0-9/{len(body)}")
        handler.wfile.write(body[:10])

    return answer


def gzipped(body) -> Behaviour:
    """Compressed, though nobody asked for it."""
    packed = gzip.compress(body)

    def answer(handler):
        handler.head(200, Content_Length=len(packed), Content_Encoding="gzip")
        handler.wfile.write(packed)

    return answer


def endless(handler):
    """A body without an end and without a length."""
    handler.head(200)
    while True:
        handler.wfile.write(b"\0" * (1 << 16))


def web_page(handler):
    """What captive portals and share sites send."""
    page = b"<html>Sign in</html>"
    handler.head(200, Content_Length=len(page), Content_Type="text/html; charset=utf-8")
    handler.wfile.write(page)


def hang_up(handler):
    """Closes the connection without a word."""
