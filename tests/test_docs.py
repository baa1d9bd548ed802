"""Documents that are written from the records are as the records are now."""

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_table_of_models_is_up_to_date():
    spec = importlib.util.spec_from_file_location("make_models", DOCS / "make_models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    expected = (DOCS / "models.md").read_text(encoding="utf-8")
    assert module.document() == expected, "run python docs/make_models.py"
