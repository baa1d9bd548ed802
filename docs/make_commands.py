"""Write docs/commands/, a page for each command, from the parsers: python docs/make_commands.py."""

import argparse
import contextlib
import io
import os
import re
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType

from pages import write

DOCS = Path(__file__).parent
CLI = DOCS.parent / "facelandmarks" / "cli"
PAGE = re.compile(r"docs/(\w+)\.md")
HIDDEN = (argparse._HelpAction, argparse._VersionAction)  # the same everywhere


def main() -> None:
    """Write the folder beside this file."""
    write("commands", documents())


def documents() -> dict[str, str]:
    """All pages, by their path in docs/."""
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    targets = [target.partition(":")[0] for target in project["scripts"].values()]
    others = sorted(
        f"facelandmarks.cli.{path.stem}" for path in CLI.glob("*.py") if "def build_parser" in path.read_text("utf-8")
    )
    pages, rows = {}, []
    for module in map(import_module, dict.fromkeys([*targets, *others])):
        text = of_parser(module.build_parser()) if hasattr(module, "build_parser") else of_help(module)
        program = text.partition("\n")[0].removeprefix("# ")
        page = re.sub("^facelandmarks[- ]", "", program) + ".md"
        about = module.__doc__.partition(":")[2].strip().partition("\n")[0]
        rows.append(f"| [`{program}`]({page}) | {about.rstrip('.')} |")
        pages[f"commands/{page}"] = text
    return {"commands/index.md": INDEX + "\n".join(rows) + "\n", **pages}


INDEX = """\
# Commands

`facelandmarks` lists the commands and runs them; `python -m facelandmarks` is the same. `facelandmarks predict` is also
`facelandmarks-predict`, and so on. `--version` and `--help` are everywhere. Written by `python docs/make_commands.py`
from the commands' own parsers.

Results go to stdout or files, everything else to stderr. Exit codes: 0 done, 1 some inputs failed, 2 wrong usage,
3 weights or network, 4 nothing could be done, 130 interrupted, 141 nobody read the output.

Images and videos are files. An address (`https://...`) is refused, and the error shows the command that downloads it:
only weights with known digests are ever downloaded, so a run depends on nothing that may change and needs no network.

| command | what it does |
| --- | --- |
"""


def of_parser(parser: argparse.ArgumentParser, level: str = "#") -> str:
    """A page, or the part of one about a subcommand."""
    parts = [f"{level} {parser.prog}", linked(parser.description or ""), f"```\n{usage(parser)}\n```"]
    subparsers = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    for group in parser._action_groups:
        actions = [each for each in group._group_actions if each not in subparsers and not isinstance(each, HIDDEN)]
        shown = [each for each in actions if each.help and each.help != argparse.SUPPRESS]
        if shown:
            title = "Arguments" if group.title == "positional arguments" else group.title[0].upper() + group.title[1:]
            parts += [f"{level}# {title}" if level == "#" else f"**{title}**", table_of(parser, shown)]
    for each in subparsers:
        parts += [of_parser(command, level + "#").strip() for command in each.choices.values()]
    if parser.epilog:
        parts += [f"{level}# Notes", "\n".join(f"    {line}" for line in parser.epilog.strip().splitlines())]
    return "\n\n".join(part for part in parts if part) + "\n"


def usage(parser: argparse.ArgumentParser) -> str:
    """How the command is called, in one line that is the same under every Python."""
    words = [parser.prog]
    for action in parser._actions:
        if not action.option_strings:
            name = action.metavar or action.dest.upper()
            words.append({"*": f"[{name} ...]", "+": f"{name} ...", "?": f"[{name}]"}.get(action.nargs, name))
    return " ".join([*words, "[options]"])


def table_of(parser: argparse.ArgumentParser, actions: list[argparse.Action]) -> str:
    """A table of options."""
    rows = [f"| {', '.join(map(code, spelled(action)))} | {meaning(parser, action)} |" for action in actions]
    return "\n".join(["| option | meaning |", "| --- | --- |", *rows])


def spelled(action: argparse.Action) -> list[str]:
    """The spellings of an option, with its value; or the name of a positional argument."""
    names = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    value = names if isinstance(names, str) else " ".join(names)
    if not action.option_strings:
        return [value]
    return [f"{option} {value}" if action.nargs != 0 else option for option in action.option_strings]


def code(text: str) -> str:
    """Text as code, in a cell of a table."""
    return f"`{text}`".replace("|", "\\|")


def meaning(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """What an option means, with its default."""
    text = action.help % {**vars(action), "prog": parser.prog}
    return linked(re.sub(r"([|*<])", r"\\\1", text))


def linked(text: str) -> str:
    """Text in which pages of docs/ are links."""
    return PAGE.sub(lambda found: f"[{found[1].replace('_', ' ')}](../{found[1]}.md)", text)


def of_help(module: ModuleType) -> str:
    """The page of a command without a parser of its own: its help."""
    printed = io.StringIO()
    os.environ["COLUMNS"] = "100"  # not as wide as somebody's window
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        module.main(["--help"])
    program = printed.getvalue().split()[1]
    return f"# {program}\n\n```\n{printed.getvalue().strip()}\n```\n"


if __name__ == "__main__":
    main()
