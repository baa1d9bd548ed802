"""The writer of packed weights, which is an example and not in the package."""

import importlib.util

from paths import EXAMPLES

_spec = importlib.util.spec_from_file_location("packed_writer", EXAMPLES / "train_compact" / "packed_writer.py")
assert _spec is not None
assert _spec.loader is not None
_writer = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_writer)
pack, save_packed = _writer.pack, _writer.save_packed
