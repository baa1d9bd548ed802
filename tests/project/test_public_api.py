"""The public surface is a file that is checked in: to change a name or a signature is to change that file too.

PYTHONPATH=tests/helpers python tests/project/test_public_api.py > tests/project/public_api.txt
"""

import dataclasses
import importlib
import inspect
from pathlib import Path

import facelandmarks

SURFACE = Path(__file__).parent / "public_api.txt"
# Modules whose public names are documented for use, besides the package itself.
MODULES = (
    "facelandmarks.boxes",
    "facelandmarks.images",
    "facelandmarks.schemes",
    "facelandmarks.schemes.conversions",
    "facelandmarks.detection",
    "facelandmarks.geometry.classic",
    "facelandmarks.geometry.hrnet_official",
    "facelandmarks.evaluation.metrics",
    "facelandmarks.evaluation.datasets",
    "facelandmarks.engines.base",
    "facelandmarks.export",
    "facelandmarks.share",
    "facelandmarks.measures",
    "facelandmarks.finding",
    "facelandmarks.formats",
    "facelandmarks.bulk",
    "facelandmarks.video",
    "facelandmarks.web",
)


def lines():
    """One line a public name: what it is, and how it is called."""
    for name in sorted(facelandmarks.__all__):
        yield from described(f"facelandmarks.{name}", getattr(facelandmarks, name))
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in sorted(public_names(module)):
            yield from described(f"{module_name}.{name}", getattr(module, name))


def public_names(module):
    """`__all__`, else what the module itself defines."""
    if hasattr(module, "__all__"):
        return module.__all__
    own = {name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__}
    constants = {name for name in vars(module) if name.isupper()}
    return {name for name in own | constants if not name.startswith("_")}


def described(name, value):
    if inspect.isclass(value) and issubclass(value, Exception):
        bases = ", ".join(base.__name__ for base in value.__bases__)
        yield f"{name}: error ({bases})"
    elif inspect.isclass(value):
        fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
        yield f"{name}: class ({', '.join(field.name for field in fields)})"
        for member in sorted(vars(value)):
            if not member.startswith("_") and member not in {field.name for field in fields}:
                yield from described(f"{name}.{member}", inspect.getattr_static(value, member))
    elif inspect.isfunction(value):
        yield f"{name}{without_annotations(value)}"
    else:
        yield f"{name}: {'property' if is_property(value) else 'value'}"


def is_property(value):
    return isinstance(value, property) or type(value).__name__ == "cached_property"


def without_annotations(function):
    """Parameters and defaults; annotations are spelled in another way by each version of Python."""
    parameters = inspect.signature(function).parameters.values()
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
    return str(inspect.Signature(bare))


def test_the_surface_is_the_one_that_is_checked_in():
    assert list(lines()) == SURFACE.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    print("\n".join(lines()))
