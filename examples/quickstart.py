"""Get from one photo: points, points of another scheme, open eyes, head pose, an aligned crop, a drawing.

    python examples/quickstart.py [PHOTO] [--out FOLDER]

Without a photo: a portrait that scikit-image carries (Eileen Collins, NASA, public domain).
"""

import argparse
from pathlib import Path

import cv2

import facelandmarks as fl
from facelandmarks.measures import align, eye_aspect_ratios, head_pose
from facelandmarks.schemes import convert


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", nargs="?")
    parser.add_argument("--out", type=Path, default=Path("quickstart"))
    args = parser.parse_args()
    image = args.photo or portrait()

    model = fl.load_model("compact_300w")
    faces = model.predict(image)
    print(f"{len(faces)} faces found by {faces.detector!r}, {len(faces.scheme)} points each")

    eyes = eye_aspect_ratios(faces.points, faces.scheme)
    pose = head_pose(faces.points, faces.scheme, faces.image_size)
    five = convert(faces.points, faces.scheme, "points5")
    for index, face in enumerate(faces):
        x, y = face.points[face.scheme.named["nose_tip"]]
        print(f"face {index}: box {face.box.round().tolist()}, tip of the nose at ({x:.1f}, {y:.1f})")
        print(f"  middles of the eyes: {five[index, :2].astype(float).round(1).tolist()}")
        if eyes.valid[index].all():
            print(f"  eyes, height over width: {eyes.values[index].round(2).tolist()}")
        if pose.valid[index]:
            print(f"  yaw {pose.yaw[index]:.0f}, pitch {pose.pitch[index]:.0f}, roll {pose.roll[index]:.0f} degrees")

    args.out.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(args.out / "points.png"), faces.draw(image)[..., ::-1])  # OpenCV writes BGR
    crops = align(image, faces.points, faces.scheme, "arcface112")
    for index in crops.valid.nonzero()[0]:
        cv2.imwrite(str(args.out / f"face_{index}.png"), crops.pixels[index, ..., ::-1])
    (args.out / "points.json").write_text(faces.to_json(indent=1))
    print(f"look into {args.out.resolve()}")


def portrait():
    import skimage.data

    return skimage.data.astronaut()


if __name__ == "__main__":
    main()
