"""Run by a test: children that fetch a file are killed at random moments; what they leave is looked at.

Arguments: url, cache folder, SHA-256, number of runs. Prints how many were killed before they were done.
"""

import dataclasses
import hashlib
import os
import random
import signal
import sys
import time
from pathlib import Path

from weight_records import record_of

from facelandmarks.weights import download, fetch  # noqa: F401 (loaded once, before the children)
from facelandmarks.weights.cache import Access

url, cache, sha256, runs = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
record = dataclasses.replace(record_of(url), sha256=sha256, bytes=None)
chance, killed = random.Random(13), 0
began = time.monotonic()
fetch.obtain(record, Access(cache, offline=False, progress=False))
whole = time.monotonic() - began  # seconds; of this machine, as busy as it is
(cache / record.name).unlink()
for number in range(runs):
    child = os.fork()
    if child == 0:
        fetch.obtain(record, Access(cache, offline=False, progress=False))
        os._exit(0)
    time.sleep(chance.uniform(0.0, 1.2 * whole))
    os.kill(child, signal.SIGKILL)
    killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
    if (cache / record.name).exists():
        assert hashlib.sha256((cache / record.name).read_bytes()).hexdigest() == sha256
        if number % 2:  # from the start again, and every other time from a whole file without its pin
            (cache / record.name).unlink()
        else:
            (cache / f"{record.name}.pin.json").unlink(missing_ok=True)
    elif number % 10 == 9:
        (cache / f"{record.name}.part").unlink(missing_ok=True)
assert fetch.obtain(record, Access(cache, offline=False)).read_bytes()
print(killed)
