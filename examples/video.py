"""Follow the faces of a video; print who is seen when.

python examples/video.py CLIP.mp4 [DRAWN.mp4]
"""

import sys
from collections import defaultdict

import facelandmarks as fl
from facelandmarks.video import annotate, read_video, track


def main() -> None:
    clip = sys.argv[1]
    model = fl.load_model()
    times = defaultdict(list)
    for frame in track(read_video(clip), model):
        for number in frame.ids:
            times[int(number)].append(frame.time)
    for number, seen in times.items():
        print(f"face {number}: {len(seen)} frames, {seen[0]:.2f} to {seen[-1]:.2f} s")
    if len(sys.argv) > 2:
        print(annotate(clip, model, draw=sys.argv[2]))


if __name__ == "__main__":
    main()
