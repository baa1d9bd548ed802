"""Write docs/gallery.jpg: python docs/make_gallery.py [--mesh face_landmark.tflite].

The one face is Eileen Collins's (NASA, public domain), as scikit-image carries it. With MediaPipe's file the mesh is
drawn too; without `--mesh` it is fetched.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import skimage.data

import facelandmarks as fl
from facelandmarks.draw.schemes import draw_figure
from facelandmarks.video import as_frames, track

SIDE = 420  # pixels of a tile
GAP = 12
PAPER = 255
FACE = (222, 132)  # middle of the face in the photo


def main() -> None:
    """Write the file beside this one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mesh", type=Path)
    args = parser.parse_args()
    photo, model = skimage.data.astronaut(), fl.load_model()
    views = {
        "68 points, offline": view(photo, 170, middle=(FACE[0], FACE[1] + 40)),
        "a face that fills the image": view(photo, 92),
        "tilted by 30 degrees": view(photo, 140, angle=30, middle=(FACE[0], FACE[1] + 10)),
        "doubtful points are hollow": hidden(view(photo, 130)),
    }
    tiles = [labelled(model.predict(image).draw(image), text) for text, image in views.items()]
    image = view(photo, 130)
    mesh = fl.load_model("mediapipe_face_mesh", weights=args.mesh).predict(image, box_of(model, image), passes=2)
    style = fl.Style(boxes=False, contours=False, size=0.9, color="white")
    tiles.append(labelled(mesh.draw(image, style), "MediaPipe's 468 points"))
    tiles.append(labelled(squared(draw_figure(fl.get_scheme("wflw98"), 900)), "98 points of WFLW"))
    rows = [np.hstack(tiles[:3]), np.hstack(tiles[3:]), strip(photo, model)]
    out = str(Path(__file__).with_name("gallery.jpg"))
    cv2.imwrite(out, np.vstack(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 84])


def view(photo: np.ndarray, reach: float, angle: float = 0.0, middle: tuple[float, float] = FACE) -> np.ndarray:
    """Return a square of the photo, `reach` pixels from the middle of the face to each side, turned."""
    matrix = cv2.getRotationMatrix2D(middle, angle, SIDE / 2 / reach)
    matrix[:, 2] += SIDE / 2 - np.array(middle)
    return cv2.warpAffine(photo, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def hidden(image: np.ndarray) -> np.ndarray:
    """Return the image with a board in front of a half of it."""
    board = image.copy()
    board[:, SIDE // 2 + 8 :] = (96, 110, 120)
    return board


def box_of(model: fl.Model, image: np.ndarray) -> np.ndarray:
    """Return MediaPipe's kind of box about the points of another model."""
    points = model.predict(image).points[0]
    return np.concatenate([points.min(0), points.max(0)])


def squared(image: np.ndarray) -> np.ndarray:
    """Return an image in a square of paper."""
    scale = SIDE / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:SIDE, :SIDE]
    paper = np.full((SIDE, SIDE, 3), PAPER, np.uint8)
    top, left = ((np.array([SIDE, SIDE]) - small.shape[:2]) // 2).tolist()
    paper[top : top + small.shape[0], left : left + small.shape[1]] = small
    return paper


def labelled(tile: np.ndarray, text: str) -> np.ndarray:
    """Return a tile with its text below and a margin around."""
    paper = cv2.copyMakeBorder(tile, GAP, 34, GAP, GAP, cv2.BORDER_CONSTANT, value=(PAPER, PAPER, PAPER))
    place = (GAP + 2, paper.shape[0] - 12)
    return cv2.putText(paper, text, place, cv2.FONT_HERSHEY_DUPLEX, 0.56, (50, 50, 50), 1, cv2.LINE_AA)


def strip(photo: np.ndarray, model: fl.Model) -> np.ndarray:
    """Return a video of a moving face, six of its frames side by side."""
    steps = np.linspace(-1, 1, 25)
    clip = [view(photo, 150 - 40 * s, 25 * s, (FACE[0] + 30 * s, FACE[1] + 14 * abs(s))) for s in steps]
    frames = [frame.faces.draw(frame.image) for frame in track(as_frames(clip, 25), model)]
    side = (3 * (SIDE + 2 * GAP) - 5 * GAP // 2) // 6 - GAP
    small = [cv2.resize(frames[i], (side, side), interpolation=cv2.INTER_AREA) for i in (0, 5, 10, 14, 19, 24)]
    edge = [cv2.copyMakeBorder(s, 0, 0, GAP, 0, cv2.BORDER_CONSTANT, value=(PAPER, PAPER, PAPER)) for s in small]
    joined = np.hstack(edge)
    width = 3 * (SIDE + 2 * GAP)
    joined = joined[:, :width]
    row = cv2.copyMakeBorder(joined, GAP, 34, 0, width - joined.shape[1], cv2.BORDER_CONSTANT, value=(PAPER,) * 3)
    place = (GAP + 2, row.shape[0] - 12)
    text = "videos: faces followed and smoothed"
    return cv2.putText(row, text, place, cv2.FONT_HERSHEY_DUPLEX, 0.56, (50, 50, 50), 1, cv2.LINE_AA)


if __name__ == "__main__":
    main()
