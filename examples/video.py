"""Follow the faces of a video; print which face is seen when.

python examples/video.py CLIP.mp4 [DRAWN.mp4]
"""

import sys
from collections import defaultdict

import facelandmarks as fl
from facelandmarks.video import TrackedFrame, annotate


def main() -> None:
    times = defaultdict(list)

    def note(frame: TrackedFrame) -> None:
        for number in frame.ids:
            times[int(number)].append(frame.time)

    drawn = sys.argv[2] if len(sys.argv) > 2 else None
    summary = annotate(sys.argv[1], fl.load_model(), draw=drawn, progress=note)
    for number, seen in sorted(times.items()):
        print(f"face {number}: {len(seen)} frames, {seen[0]:.2f} to {seen[-1]:.2f} s")
    print(summary)


if __name__ == "__main__":
    main()
