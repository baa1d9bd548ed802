"""Write docs/commands.md from the parsers of the commands: python docs/make_commands.py."""

import argparse
from importlib import import_module
from pathlib import Path

from facelandmarks.cli.main import COMMANDS

INTRODUCTION = """\
# Commands

`facelandmarks` lists the commands and runs them; `python -m facelandmarks` is the same. `facelandmarks predict` is also
`facelandmarks-predict`, and so on. `--version` and `--help` are everywhere. This page is written by
`python docs/make_commands.py`.

Results go to stdout or files, all else to stderr. Exit codes: 0 done, 1 some inputs failed, 2 wrong usage, 3 weights or
network, 4 nothing could be done, 130 interrupted, 141 nobody read the output.

Images and videos are files. An address (`https://...`) is refused with the line that downloads it: only weights, whose
digests are known, are ever fetched, so that a run depends on nothing that may change and needs no network.
"""


def main() -> None:
    """Write the file beside this one."""
    Path(__file__).with_name("commands.md").write_text(document(), encoding="utf-8")


def document() -> str:
    """The whole file."""
    parts = [INTRODUCTION.rstrip()]
    for name, (module, what) in COMMANDS.items():
        parser = import_module(f"facelandmarks.cli.{module}").build_parser()
        parts.append(f"## facelandmarks {name}\n\n{what[0].upper()}{what[1:]}.")
        parts += options_of(parser)
    return "\n\n".join(parts) + "\n"


def options_of(parser: argparse.ArgumentParser) -> list[str]:
    """One table a group of options; for a command of commands, one line each."""
    parts = []
    for group in parser._action_groups:
        actions = [
            action
            for action in group._group_actions
            if not isinstance(action, argparse._HelpAction | argparse._VersionAction)
        ]
        commands = [action for action in actions if isinstance(action, argparse._SubParsersAction)]
        if commands:
            about = {choice.dest: choice.help or "" for choice in commands[0]._choices_actions}
            lines = [f"| `{usage_of(name, sub)}` | {about[name]} |" for name, sub in commands[0].choices.items()]
            parts.append("\n".join(["| command | what |", "| --- | --- |", *lines]))
        elif actions:
            title = (
                []
                if group.title in ("options", "positional arguments")
                else [f"**{group.title[0].upper()}{group.title[1:]}**\n"]
            )
            parts.append("\n".join([*title, "| option | what |", "| --- | --- |", *map(row_of, actions)]))
    return parts


def usage_of(name: str, parser: argparse.ArgumentParser) -> str:
    """A command of a command with what it takes."""
    words = [name]
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        word = spelled(action)
        words.append(f"[{word}]" if action.option_strings or action.nargs == "*" else word)
    return " ".join(words).replace("|", "\\|")


def row_of(action: argparse.Action) -> str:
    """An option and its help, with the default in it."""
    said = (action.help or "") % {**vars(action), "prog": "facelandmarks"}
    return f"| `{spelled(action)}` | ".replace("FILE|DIR", "FILE\\|DIR") + said.replace("*", "\\*") + " |"


def spelled(action: argparse.Action) -> str:
    """An option as it is typed."""
    choices = "{" + ",".join(map(str, action.choices or ())) + "}"
    value = action.metavar or (choices if action.choices else action.dest.upper())
    if not action.option_strings:
        return str(value)
    return action.option_strings[-1] if action.nargs == 0 else f"{action.option_strings[-1]} {value}"


if __name__ == "__main__":
    main()
