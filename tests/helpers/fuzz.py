"""Damaged input by the thousand, in a child process that may crash, hang or grow without taking this one along.

    python tests/helpers/fuzz.py images --cases 6000

Each case is a valid file of a target (`fuzz_targets.py`), changed by a generator whose seed is the number of the case:
any case can be run again alone (`--first 1234 --cases 1`). The child must answer with a result or with one of the
package's own errors, within `MOST_SECONDS` of processor time and `MOST_MEMORY`.
"""

import argparse
import json
import os
import resource
import select
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MOST_SECONDS = 5.0  # of processor time for one case
MOST_WALL = 90.0  # seconds until a child is ended: the machine may be busy
MOST_MEMORY = 3 << 30  # bytes, resident


@dataclass
class Outcome:
    """What became of the cases of a target: how many gave a result or were refused, and the others, one by one."""

    target: str
    cases: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    bad: list[dict[str, object]] = field(default_factory=list)
    slowest: float = 0.0
    peak_mib: float = 0.0

    def add(self, record: dict[str, object]) -> None:
        """Count one case."""
        self.cases += 1
        self.counts[str(record["result"])] += 1
        self.slowest = max(self.slowest, float(record.get("seconds", 0.0)))
        self.peak_mib = max(self.peak_mib, float(record.get("peak_mib", 0.0)))
        slow = float(record.get("seconds", 0.0)) > MOST_SECONDS
        large = float(record.get("peak_mib", 0.0)) > MOST_MEMORY / 2**20
        if record["result"] not in ("ok", "refused") or slow or large:
            self.bad.append(record)


def serve(target: str, first: int, last: int) -> None:
    """In the child: run cases, one line before and one after each."""
    from fuzz_mutations import mutated
    from fuzz_targets import ALL, TARGETS

    from facelandmarks.errors import FaceLandmarksError

    made = ALL[target]()
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries print is no answer
    if target in TARGETS:
        with suppress(FaceLandmarksError):  # once whole: what is imported at first use is no case's time
            made.run(*made.corpus[0])
    for case in range(first, last):
        rng = np.random.default_rng([2026, case])
        name, data = made.corpus[case % len(made.corpus)]
        other = made.corpus[int(rng.integers(len(made.corpus)))][1]
        damaged = made.repair((made.damage or mutated)(data, other, rng), rng)
        record: dict[str, object] = {"case": case, "file": name}
        print(json.dumps(record), file=out)
        begun = time.process_time()
        try:
            made.run(name, damaged)
            record["result"] = "ok"
        except FaceLandmarksError:
            record["result"] = "refused"
        except BaseException as error:  # noqa: BLE001 - what the search is for
            record |= {"result": "exception", "error": f"{type(error).__name__}: {error}"[:300]}
        record["seconds"] = round(time.process_time() - begun, 3)
        record["peak_mib"] = _peak_mib()
        print(json.dumps(record), file=out)


def _peak_mib() -> float:
    """The most memory that this process held: on Linux `ru_maxrss` starts with what its parent held before `exec`."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024


def run(target: str, first: int, cases: int) -> Outcome:
    """Run cases in children; a child that ends or hangs costs one case, the next one goes on after it."""
    outcome, case = Outcome(target), first
    while case < first + cases:
        case = _run_child(target, case, first + cases, outcome)
    return outcome


def _run_child(target: str, first: int, last: int, outcome: Outcome) -> int:
    """The first case that is still to be run."""
    command = [sys.executable, "-W", "ignore", __file__, target, "--serve", str(first), str(last)]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    current: dict[str, object] = {}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True, bufsize=1
    ) as child:
        for line in _lines(child):
            record = json.loads(line)
            current = record
            if "result" in record:
                outcome.add(record)
        hung = child.poll() is None and "result" not in current and bool(current)
        child.kill()
    if not current:
        raise RuntimeError(f"the child of {target} ended with {child.returncode} before its first case")
    if "result" not in current:
        result = "hang" if hung else f"crash, exit code {child.returncode}"
        outcome.add({**current, "result": result})
    return int(str(current["case"])) + 1


def _lines(child: subprocess.Popen[str]):
    """Lines of the child until it ends, or says nothing for too long."""
    buffer, handle = b"", child.stdout.fileno()
    while select.select([handle], [], [], MOST_WALL)[0]:
        received = os.read(handle, 1 << 16)
        if not received:
            child.wait()
            return
        *whole, buffer = (buffer + received).split(b"\n")
        yield from whole


def main() -> int:
    """Exit code 1 if a case went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--serve", type=int, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.target, *args.serve)
        return 0
    outcome = run(args.target, args.first, args.cases)
    print(json.dumps({**vars(outcome), "counts": dict(outcome.counts)}, indent=1))
    return 1 if outcome.bad else 0


if __name__ == "__main__":
    sys.exit(main())
