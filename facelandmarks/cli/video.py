"""facelandmarks-predict for a video: numbered faces, drawn and as lines of JSON."""

import argparse
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facelandmarks.cli import common
from facelandmarks.cli.common import STDOUT
from facelandmarks.cli.predict import UPRIGHT, is_camera

if TYPE_CHECKING:
    from facelandmarks.video import Summary, TrackedFrame


def run(args: argparse.Namespace) -> int:
    """Run facelandmarks-predict for a video or a camera; return the exit code."""
    source, draw, out = args.images[0], args.draw.path if args.draw else None, args.out
    if draw is None and out is None and not args.show:
        stem = f"camera{source}" if is_camera(source) else source.stem
        draw, out = Path(f"{stem}_landmarks.mp4"), Path(f"{stem}_landmarks.jsonl")
    common.refuse(check_usage(args, draw, out))
    if args.show:
        common.check_screen()
    from facelandmarks.video import TruncatedVideoWarning

    cut: list[Warning | str] = []

    def show(message: Warning | str, category: type[Warning], *where: Any, **options: Any) -> None:
        if issubclass(category, TruncatedVideoWarning):
            cut.append(message)
        else:
            usual(message, category, *where, **options)

    with warnings.catch_warnings():
        warnings.simplefilter("always", TruncatedVideoWarning)
        usual, warnings.showwarning = warnings.showwarning, show
        summary = _annotate(args, draw, out)
    for message in cut:
        common.complain(message)
    if not args.quiet:
        faces = common.counted(len(summary.ids), "face") if summary.ids else "no face"
        seen = f" in {summary.with_faces} of them" if summary.ids else ""
        written = ", ".join(str(path) for path in (draw, out) if path not in (None, STDOUT))
        print(
            f"{source}: {common.counted(summary.frames, 'frame')}, {faces}{seen}"
            + (f" -> {written}" if written else ""),
            file=sys.stderr if out == STDOUT else sys.stdout,
        )
    return common.SOME_FAILED if cut else common.DONE


def check_usage(args: argparse.Namespace, draw: Path | None, out: Path | None) -> str | None:
    """Say what is wrong with the options for a video taken together, or None."""
    if len(args.images) > 1:
        return f"one video at a time, got {len(args.images)} inputs"
    if args.bbox or args.json:
        return "--bbox and --json are for images; the results of a video go to --out FILE.jsonl and --draw FILE.mp4"
    if args.rotations != UPRIGHT:
        return "--rotations is for images: videos are not rotated"
    if args.max_faces or args.largest:
        return "--max-faces and --largest are for images: in a video, all faces are tracked"
    from facelandmarks.video.write import CODECS

    if draw is not None and draw.suffix.lower() not in CODECS:
        return f"--draw {draw}: the name of a video ends in {', '.join(CODECS)}"
    suffix, what = (
        (".csv", "with --columns openface") if args.columns == "openface" else (".jsonl", "one line per frame")
    )
    if out is not None and out.suffix.lower() != suffix and (out != STDOUT or suffix == ".csv"):
        return f"--out {out}: the landmarks of a video are written as {suffix}, {what}"
    files = [path for path in (draw, out) if path is not None]
    return common.check_outputs(files, args.force, inputs=args.images)


def _annotate(args: argparse.Namespace, draw: Path | None, out: Path | None) -> "Summary":
    from tqdm import tqdm

    from facelandmarks.video import Video, annotate
    from facelandmarks.video.annotate import to_line
    from facelandmarks.video.track import STANDARD

    source = int(str(args.images[0])) if is_camera(args.images[0]) else args.images[0]
    with Video(source) as video:  # an error here comes before a model is loaded
        total = video.info.count
    model = common.load_chosen_model(args)
    hidden = args.quiet or not sys.stderr.isatty()
    with tqdm(total=args.frames or total, unit="frame", disable=hidden, file=sys.stderr) as bar:

        def done(frame: "TrackedFrame") -> None:
            bar.update()
            if out == STDOUT:
                print(to_line(frame, str(args.images[0]), model.spec.name), flush=True)

        return annotate(
            source,
            model,
            draw=draw,
            style=common.chosen_style(args),
            show=args.show,
            out=None if out == STDOUT else out,
            columns=args.columns,
            smoothing=None if args.no_smoothing else STANDARD,
            most_frames=args.frames,
            progress=done,
            **common.chosen(args, "detector", "detect_every", "keep_lost", "min_score", "min_face", "confirm"),
        )
