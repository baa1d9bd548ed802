"""Commands: argument parsing and printing, nothing else."""

from collections.abc import Sequence
from importlib import import_module

from facelandmarks.cli import common
from facelandmarks.errors import hint_at

# Name -> module of this package whose `main(argv)` it is, and what it does.
COMMANDS = {
    "predict": ("predict", "find the landmarks of the faces in images, folders, videos or from a camera"),
    "models": ("models", "list the models, or print everything about one"),
    "weights": ("weights", "fetch, verify and register weights files"),
    "eval": ("evaluate", "measure models on a dataset and compare with the published numbers"),
    "export": ("export", "write a model as an ONNX file"),
    "demo": ("demo", "serve the demo page, for a browser on this machine"),
}
EPILOG = """\
commands:
{commands}

facelandmarks COMMAND --help lists the options of a command. All commands but models are also programs of their own:
facelandmarks-predict is facelandmarks predict.
"""


def start(words: Sequence[str]) -> int:
    """Run the command that the first word names; return its exit code."""
    commands = "\n".join(f"  {name:8} {what}" for name, (_, what) in COMMANDS.items())
    parser = common.new_parser(
        "facelandmarks",
        "Landmarks of the faces in images and videos.",
        EPILOG.format(commands=commands),
        "facelandmarks COMMAND ...",
    )
    if words and words[0] not in COMMANDS:
        parser.parse_known_args(words[:1])  # --help, --version
        parser.error(f"no command {words[0]!r}; {hint_at(words[0], COMMANDS)}")
    if not words:
        parser.print_help()
        return common.DONE
    command = import_module(f"facelandmarks.cli.{COMMANDS[words[0]][0]}")
    return int(command.main(words[1:]))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return common.run_command(start, argv)
