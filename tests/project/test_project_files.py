"""Files around the package: no address that does not exist, pinned workflows, issue forms, pages of the site."""

import re
import tomllib

import pytest
import yaml  # comes with huggingface-hub
from paths import DOCS, ROOT

if (ROOT / "PKG-INFO").is_file():
    pytest.skip("the source distribution lacks these files", allow_module_level=True)

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
RELEASING = DOCS / "releasing.md"

# Read as text: what users, registries and GitHub show.
KINDS = {".md", ".py", ".toml", ".cff", ".yml", ".yaml", ".json", ".ipynb", ".txt", ".html"}
FOLDERS = (".github", "benchmarks", "docs", "examples", "facelandmarks")
TEXTS = sorted(
    path
    for path in [*ROOT.iterdir(), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    if path.is_file() and path.suffix in KINDS
)
PAGES = [*ROOT.glob("*.md"), *GITHUB.rglob("*.md"), *DOCS.glob("*.md")]

ADDRESS = re.compile(r"(?:https?://|mailto:|www\.)[^\s\"'<>`)\]}|]+")
MAIL = re.compile(r"\b[\w.+-]+@(?:[\w-]+\.)+[a-z]{2,}\b", re.IGNORECASE)
LINK = re.compile(r"\[(?:[^\]\\]|\\.)*\]\(([^)\s]+)[^)]*\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
PLACEHOLDER = re.compile(r"\b[A-Z]+-(?:URL|ADDRESS)\b")
# Addresses of this project, all of them still to come, and what people write for one that they do not know.
UNPUBLISHED = re.compile(r"facelandmarks|[A-Z]+-(URL|ADDRESS)|//(www\.)?example\.|OWNER|USERNAME|your-|TODO", re.ASCII)
COUNTED = re.compile(r"[1-9]\d* passed, \d+ skipped\b")
PINNED = re.compile(r"uses: ([\w./-]+)@([0-9a-f]{40})  # (v[\d.]+)$", re.MULTILINE)


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rows_of(text):
    """The rows of the tables in a text, without their heads."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return rows[2:]


def table(title):
    """The rows of the table under a heading of docs/releasing.md, without its head."""
    return rows_of(RELEASING.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0])


def unpublished(text):
    """What links to an address that does not exist yet."""
    found = [*ADDRESS.findall(text), *MAIL.findall(text)]
    found += [target for pair in LINK.findall(text) for target in pair if PLACEHOLDER.search(target)]
    return [address for address in found if UNPUBLISHED.search(address)]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("[here](https://github.com/someone/facelandmarks)", 1),
        ("https://huggingface.co/spaces/someone/facelandmarks-demo", 1),
        ("https://pypi.org/project/facelandmarks-zoo/", 1),
        ('Documentation = "https://facelandmarks.readthedocs.io"', 1),
        ("[try it](SPACE-URL)", 1),
        ("[try it]\n\n[try it]: SPACE-URL", 1),
        ("<https://example.org/page>", 1),
        ("mailto:CONTACT-ADDRESS", 1),
        ("mail facelandmarks@some.host.org", 1),
        ("Write to CONTACT-ADDRESS", 0),
        ("[page](facelandmarks/zoo)", 0),
        ("https://github.com/open-mmlab/mmpose", 0),
    ],
)
def test_addresses_that_do_not_exist_are_recognised(text, count):
    assert len(unpublished(text)) == count


@pytest.mark.parametrize("path", [path for path in TEXTS if path != RELEASING], ids=name_of)
def test_nothing_links_to_an_address_that_does_not_exist(path):
    assert not unpublished(path.read_text(encoding="utf-8"))


def test_releasing_lists_every_placeholder_and_where_it_stands():
    stands = {}
    for path in TEXTS:
        for name in PLACEHOLDER.findall(path.read_text(encoding="utf-8")):
            if path != RELEASING:
                stands.setdefault(name, set()).add(name_of(path))
    rows = table("Addresses to fill in")
    listed = {name: set() if where == "-" else set(where.split(", ")) for name, _, where, _ in rows}
    assert listed == {name: stands.get(name, set()) for name in listed}
    assert stands.keys() <= listed.keys()
    assert "CODE_OF_CONDUCT.md" in listed["CONTACT-ADDRESS"]


@pytest.mark.parametrize("path", [path for path in PAGES if path.parent != DOCS], ids=name_of)
def test_links_to_files_lead_somewhere(path):
    for target in (target for pair in LINK.findall(path.read_text(encoding="utf-8")) for target in pair if target):
        if not target.startswith(("http://", "https://", "#")):
            assert (path.parent / target.partition("#")[0]).exists(), f"{path.name} links to {target}"


def test_the_site_lists_the_pages_of_the_project():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    nav = text.split("\nnav:")[1].split("\nplugins:")[0]
    for page in ("limits.md", "releasing.md"):
        assert (DOCS / page).is_file()
        assert len(re.findall(rf": {re.escape(page)}$", nav, re.MULTILINE)) == 1


def test_there_are_workflows_and_forms():
    assert [path.stem for path in WORKFLOWS] == ["docs", "release", "tests"]
    assert [path.stem for path in FORMS] == ["accuracy", "bug", "feature"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_have_the_right_shape(path):
    workflow = load(path)
    triggers = workflow.get("on", workflow.get(True))  # YAML 1.1 reads `on` as a truth value
    assert workflow["name"]
    assert "workflow_dispatch" in triggers
    assert "pull_request_target" not in triggers  # it runs code of strangers with rights of the repository
    assert workflow["permissions"] == {"contents": "read"}
    jobs = workflow["jobs"]
    for name, job in jobs.items():
        assert 0 < job["timeout-minutes"] <= 60, name
        assert job["runs-on"], name
        assert set(job) <= {
            "name",
            "needs",
            "if",
            "runs-on",
            "timeout-minutes",
            "environment",
            "permissions",
            "strategy",
            "steps",
        }
        assert job.get("permissions", {"id-token": "write"}) == {"id-token": "write"}
        assert {job["needs"]} <= jobs.keys() if "needs" in job else True
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            # What an event says never becomes part of a script.
            assert "${{" not in step.get("run", ""), step
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_actions_are_pinned_to_the_commits_that_releasing_lists():
    pinned = set()
    for path in WORKFLOWS:
        text = path.read_text(encoding="utf-8")
        found = PINNED.findall(text)
        assert len(found) == text.count("uses:"), f"{path.name}: an action without commit and version"
        pinned |= {(action, version, commit) for action, commit, version in found}
    assert pinned == {(action, version, commit) for action, version, commit, _ in table("Pinned actions")}


def test_the_matrix_covers_what_is_promised():
    matrix = load(GITHUB / "workflows" / "tests.yml")["jobs"]["newest"]["strategy"]["matrix"]
    assert {system.split("-")[0] for system in matrix["system"]} == {"ubuntu", "macos", "windows"}
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={matrix['python'][0]}"
    classifiers = re.findall(r"Python :: (3\.\d+)$", "\n".join(project["classifiers"]), re.MULTILINE)
    assert classifiers == matrix["python"]


def test_each_python_of_the_matrix_was_run_as_the_document_says():
    """All tests, or all but those that the row names; counted, with the versions."""
    matrix = load(GITHUB / "workflows" / "tests.yml")["jobs"]["newest"]["strategy"]["matrix"]
    rows = rows_of((DOCS / "compatibility.md").read_text(encoding="utf-8"))
    found = {python for python, *_, tests, result in rows if tests.startswith("all") and COUNTED.match(result)}
    assert sorted({python.rpartition(".")[0] for python in found}) == matrix["python"]


def test_lint_runs_the_same_commands_as_make():
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").split("\nlint:")[1].split("\n\n")[0]
    commands = re.findall(r"^\t\$\(BIN\)/(.+)$", recipe, re.MULTILINE)
    steps = [step.get("run") for step in load(GITHUB / "workflows" / "tests.yml")["jobs"]["lint"]["steps"]]
    assert commands
    assert set(commands) <= set(steps)


def test_only_the_jobs_that_publish_get_a_token():
    jobs = load(GITHUB / "workflows" / "release.yml")["jobs"]
    publishing = {name for name, job in jobs.items() if "permissions" in job}
    assert publishing == {"publish", "rehearsal"}
    for name in publishing:
        assert jobs[name]["environment"] in {"pypi", "testpypi"}
        assert jobs[name]["needs"] == "build"
        assert all("run" not in step for step in jobs[name]["steps"])  # nothing is built or installed beside the token


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_issue_forms_have_the_right_shape(path):
    form = load(path)
    assert set(form) <= {"name", "description", "title", "labels", "body"}
    assert form["name"]
    assert form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert {field["type"] for field in fields} <= {"input", "textarea", "dropdown", "checkboxes"}
    names = [field["id"] for field in fields]
    assert len(names) == len(set(names))
    for field in form["body"]:
        attributes = field["attributes"]
        assert attributes["value"] if field["type"] == "markdown" else attributes["label"]
        if field["type"] in {"dropdown", "checkboxes"}:
            assert attributes["options"]
    for label in form["labels"]:
        assert f"`{label}`" in RELEASING.read_text(encoding="utf-8")  # to be created in the repository


def test_hooks_are_frozen_and_cover_lint_format_and_spelling():
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    repositories = yaml.safe_load(text)["repos"]
    assert {"ruff-check", "ruff-format", "codespell"} <= {hook["id"] for repo in repositories for hook in repo["hooks"]}
    assert len(re.findall(r"rev: [0-9a-f]{40}  # frozen: v[\d.]+$", text, re.MULTILINE)) == len(repositories)


def test_dependabot_watches_actions_hooks_and_packages():
    config = load(GITHUB / "dependabot.yml")
    assert config["version"] == 2
    assert {update["package-ecosystem"] for update in config["updates"]} == {"github-actions", "pip", "pre-commit"}
    assert all(update["groups"] and update["schedule"]["interval"] for update in config["updates"])
