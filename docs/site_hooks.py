"""What mkdocs changes in the pages of the site: links to files of the repository become plain text."""

import re
from typing import Any

REPOSITORY_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(\.\./[^)]*\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The site holds the pages of docs/ only; on a checkout the links work."""
    return REPOSITORY_LINK.sub(r"`\1`", markdown)
