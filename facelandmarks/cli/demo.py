"""facelandmarks-demo: the demo page, for a browser on this machine."""

import argparse
import sys
from collections.abc import Sequence

from facelandmarks.cli import common

LOOPBACK = "127.0.0.1"
NO_SHARE = (
    "--share would send every image through somebody else's server: use --host 0.0.0.0 for your own network, or put "
    "the page on your own server (examples/space)"
)
EPILOG = """\
Needs the extra web. The page contacts other machines only to download weights on first use.
Exit codes: 0 ended by Ctrl-C, 2 wrong usage, 4 Gradio is not installed.
"""


def parse_port(text: str) -> int:
    """Parse the number of a port."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 65535, got {text!r}")
    return int(text)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    what = "Serve a page that shows the landmarks of photos and short videos, on this machine only."
    parser = common.new_parser("facelandmarks-demo", what, EPILOG)
    add = parser.add_argument
    host = "address to serve on; 0.0.0.0 lets in anyone who can reach this machine (default: %(default)s)"
    add("--host", default=LOOPBACK, help=host)
    add("--port", type=parse_port, metavar="N", help="port to serve on (default: the first free one from 7860)")
    add("--built-in", action="store_true", help="offer only the models in the wheel")
    add("--offline", action="store_true", default=None, help="do not fetch weights")
    add("--share", action="store_true", help="refused: no image is sent to somebody else's server")
    return parser


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    common.refuse(NO_SHARE if args.share else None)
    from facelandmarks.web import face_models, serve

    def started(address: str) -> None:
        print(f"{address} shows the page; Ctrl-C ends it", flush=True)
        if args.host not in (LOOPBACK, "localhost", "::1"):
            print(f"anyone who can reach {args.host} can use it, without a password", file=sys.stderr)

    models = face_models(built_in=True) if args.built_in else None
    serve(models, host=args.host, port=args.port, offline=args.offline, started=started)
    return common.DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    return common.run_command(lambda words: run(build_parser().parse_args(words)), argv)


if __name__ == "__main__":
    sys.exit(main())
