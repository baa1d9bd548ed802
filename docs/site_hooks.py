"""What mkdocs adds to the pages of docs/: the examples and the notebook as pages, and links to files as plain text."""

import ast
import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

EXAMPLES = Path(__file__).parents[1] / "examples"
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((\.\./[^)]*)\)")
LISTED = re.compile(r"^\| \[[^\]]*\]\((\w+\.md)\)", re.MULTILINE)
# In the order in which a reader meets them.
SHOWN = ("quickstart", "batch", "video", "evaluation", "demo", "ray_bulk", "ray_evaluate")


def on_config(config: Any) -> Any:
    """Put the pages that an index lists behind it: scripts write both."""
    for section in config.nav:
        for title, index in section.items():
            if str(index).endswith("/index.md"):
                path = Path(config.docs_dir) / index
                pages = [f"{path.parent.name}/{name}" for name in LISTED.findall(path.read_text(encoding="utf-8"))]
                section[title] = [{f"All {title}": index}, *pages]
    return config


def on_files(files: Any, *, config: Any) -> Any:
    """Add the pages that are made of files elsewhere in the repository."""
    for name, text in (("examples.md", examples()), ("notebook.md", notebook())):
        files.append(File.generated(config, name, content=text))
    return files


def examples() -> str:
    """The programs of examples/, each with what its first lines say."""
    parts = ["# Examples\n\nPrograms of the folder `examples`, each of them run by the tests."]
    for name in SHOWN:
        source = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
        about, _, usage = ast.get_docstring(ast.parse(source)).partition("\n\n")
        body = source.split('"""', 2)[2].strip()
        parts.append(
            f"## {name}.py\n\n{' '.join(about.split())}\n\n```text\n{usage.strip()}\n```\n\n```python\n{body}\n```"
        )
    return "\n\n".join(parts) + "\n"


def notebook() -> str:
    """The notebook's cells and what they gave."""
    cells = json.loads((EXAMPLES / "quickstart.ipynb").read_text(encoding="utf-8"))["cells"]
    parts = ["---\ntitle: Notebook\n---"]
    for cell in cells:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        parts += [shown(output) for output in cell.get("outputs", [])]
    return "\n\n".join(parts) + "\n"


def shown(output: dict[str, Any]) -> str:
    """What a cell gave, as Markdown."""
    data = output.get("data", {})
    if "image/jpeg" in data:
        return f"![What the cell shows](data:image/jpeg;base64,{''.join(data['image/jpeg']).strip()})"
    text = "".join(output["text"] if "text" in output else data["text/plain"]).rstrip()
    return f"```text\n{text}\n```"


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The site holds the pages of docs/ only: links to other files lead to the examples, or become plain text."""
    folder = posixpath.dirname(page.file.src_uri)

    def changed(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[2]))
        name = posixpath.basename(target)
        if target.startswith("../examples/") and name in (f"{each}.py" for each in SHOWN):
            return f"[{link[1]}]({posixpath.relpath('examples.md', folder or '.')}#{name.replace('.', '')})"
        return f"`{link[1]}`" if target.startswith("../") else link[0]

    return LINK.sub(changed, markdown)
