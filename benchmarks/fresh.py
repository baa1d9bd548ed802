"""What one model costs in one engine in a process of its own; one JSON line. Called by bench.py.

python benchmarks/fresh.py MODEL ENGINE PHOTO [CHECKPOINT]
"""

import json
import sys
import time
from pathlib import Path


def peak() -> float:
    """The largest resident memory so far, in MB."""
    # Not getrusage: it begins with what the process had before it became this program.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def main() -> None:
    name, engine, photo, *checkpoint = sys.argv[1:]
    start = time.perf_counter()
    if engine == "torch":
        import torch  # noqa: F401
    import facelandmarks.api as fl

    imported, base = time.perf_counter(), peak()
    model = fl.load_model(name, engine=engine, device="cpu", weights=checkpoint[0] if checkpoint else None)
    loaded, held = time.perf_counter(), peak()
    model.predict(photo, (180, 91, 264, 175))
    print(
        json.dumps(
            {
                "import_s": imported - start,
                "load_s": loaded - imported,
                "first_predict_s": time.perf_counter() - loaded,
                "load_peak_mb": held - base,
                "peak_mb": peak(),
                "torch_imported": "torch" in sys.modules,
            }
        )
    )


if __name__ == "__main__":
    main()
