"""Predict many photos in batches: one line of JSON per photo, with an error text if a photo cannot be read.

    python examples/batch.py FOLDER OUT.jsonl [--model NAME] [--batch 32]

`facelandmarks-predict` does this on the command line, and more; this shows the calls.
"""

import argparse
import json
from itertools import islice
from pathlib import Path

import facelandmarks as fl

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="compact_300w")
    parser.add_argument("--batch", type=int, default=32, help="photos in memory at a time")
    args = parser.parse_args()

    model = fl.load_model(args.model)
    paths = sorted(path for path in args.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    faces = failed = 0
    with args.out.open("w", encoding="utf-8") as file:
        for some in chunks(paths, args.batch):
            for record in records(model, some):
                file.write(json.dumps(record) + "\n")
                faces += len(record.get("faces", ()))
                failed += "error" in record
    print(f"{len(paths)} photos, {faces} faces, {failed} photos could not be read; {args.out}")


def chunks(paths, size):
    """Yield some at a time. (`itertools.batched` from Python 3.12 on.)"""
    rest = iter(paths)
    while some := tuple(islice(rest, size)):
        yield some


def records(model, paths):
    """Yield one record per photo, in the order given; the network's batches cross photos."""
    loaded, errors = {}, {}
    for path in paths:
        try:
            loaded[path] = fl.load_image(path)
        except fl.InvalidImageError as error:
            errors[path] = str(error)
    results = dict(zip(loaded, model.predict_batch(loaded.values()), strict=True))
    for path in paths:
        record = results[path].to_dict() if path in results else {"error": errors[path]}
        yield {"image": str(path), **record}


if __name__ == "__main__":
    main()
