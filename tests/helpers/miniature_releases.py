"""Tiny releases of every dataset, in their original files and in the derived ones, for tests and for a look.

    python miniature_releases.py FOLDER

Each function writes one dataset into a folder and returns its faces by subset, as the release counts them. What is
random comes from one seed.
"""

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 64, 48
MATLAB_73 = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan 01 00:00:00 2024 HDF5 schema 1.00 ."
AFLW_TRAINING = 20_000
WFLW_ATTRIBUTES = ("pose", "expression", "illumination", "makeup", "occlusion", "blur")
WFLW_STEMS = {name: f"test_{name}" for name in WFLW_ATTRIBUTES} | {"test": "test", "pose": "test_largepose"}


@dataclass(frozen=True, eq=False)
class Face:
    """A face in the numbers of its release: `flags` (K,) are 1 for hidden points, `box` is xyxy."""

    name: str
    points: np.ndarray
    box: np.ndarray
    flags: np.ndarray


def make_faces(names, count, seed):
    rng = np.random.default_rng(seed)
    faces = []
    for name in names:
        points = np.round(rng.uniform(2, [WIDTH - 2, HEIGHT - 2], (count, 2)), 6)
        box = np.concatenate([np.floor(points.min(0)) - 1, np.ceil(points.max(0)) + 1])
        faces.append(Face(name, points, box, rng.integers(0, 2, count)))
    return faces


def write_picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(path.name)).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    cv2.imwrite(str(path), noise)


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def region(face, of_box=False):
    """Center and scale of a face as HRNet's lists hold them, in units of 200 px; those of AFLW are of the box."""
    low, high = np.floor(face.points.min(0)), np.ceil(face.points.max(0))
    low, high = (face.box[:2], face.box[2:]) if of_box else (low, high)
    return (low + high) / 2, (high - low).max() / 200


def write_coco(path, faces, *, regions=True, occlusion=False, box_sizes=False):
    pictures = {name: number for number, name in enumerate(dict.fromkeys(face.name for face in faces), 1)}
    annotations = []
    for number, face in enumerate(faces, 1):
        shown = 2 - face.flags if occlusion else np.ones(len(face.points))
        x1, y1, x2, y2 = face.box.tolist()
        record = {
            "keypoints": np.column_stack([face.points, shown]).ravel().tolist(),
            "image_id": pictures[face.name],
            "id": number,
            "num_keypoints": len(face.points),
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "iscrowd": 0,
            "area": (x2 - x1) * (y2 - y1),
            "category_id": 1,
        }
        if regions:
            center, scale = region(face, of_box=box_sizes)
            record |= {"center": center.tolist(), "scale": scale}
        if box_sizes:
            record["box_size"] = max(x2 - x1, y2 - y1)
        annotations.append(record)
    images = [{"id": n, "file_name": name, "height": HEIGHT, "width": WIDTH} for name, n in pictures.items()]
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "face"}]}
    write_text(path, json.dumps(document))


def write_hrnet_csv(path, faces, *, box_sizes=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        points = [f"original_{n}_{axis}" for n in range(len(faces[0].points)) for axis in "xy"]
        writer.writerow(["image_name", "scale", *(["box_size"] if box_sizes else []), "center_w", "center_h", *points])
        for face in faces:
            center, scale = region(face, of_box=box_sizes)
            size = [max(face.box[2] - face.box[0], face.box[3] - face.box[1])] if box_sizes else []
            writer.writerow([face.name, scale, *size, *center, *face.points.ravel()])


def make_wflw(root, points=98):
    """Six test faces, two of them of one picture, each with one attribute more than the one before."""
    names = [f"{n}--Scene/{n}_Scene_{n}.jpg" for n in (0, 1, 1, 2, 3, 4)]
    test, train = make_faces(names, points, 1), make_faces(["9--Scene/9_Scene_9.jpg"], points, 2)
    subsets = {name: test[n:] for n, name in enumerate(WFLW_ATTRIBUTES)} | {"test": test, "train": train}
    folder = root / "WFLW_annotations" / "list_98pt_rect_attr_train_test"
    if points != 98:
        folder = root
    for split in ("test", "train"):
        rows = [wflw_row(face, n if split == "test" else 0) for n, face in enumerate(subsets[split])]
        write_text(folder / f"list_{points}pt_rect_attr_{split}.txt", "\n".join(rows) + "\n")
    for face in test + train:
        write_picture(root / "WFLW_images" / face.name)
    if points == 98:
        derive_wflw(root, subsets)
    return subsets


def wflw_row(face, attributes):
    flags = [1 if n <= attributes else 0 for n in range(len(WFLW_ATTRIBUTES))]
    numbers = [f"{value:.6f}" for value in face.points.ravel()] + [f"{value:.0f}" for value in face.box]
    return " ".join([*numbers, *map(str, flags), face.name])


def derive_wflw(root, subsets):
    for subset, stem in WFLW_STEMS.items():
        rows = [" ".join([*(f"{v:.6f}" for v in f.points.ravel()), f.name]) for f in subsets[subset]]
        write_text(root / "WFLW_annotations" / "list_98pt_test" / f"list_98pt_{stem}.txt", "\n".join(rows))
        write_coco(root / "annotations" / f"face_landmarks_wflw_{stem}.json", subsets[subset])
        write_hrnet_csv(root / f"face_landmarks_wflw_{stem}.csv", subsets[subset])


PTS = {  # dialects by folder: head, foot, end of a line, format of a number
    "helen/testset": ("version: 1\nn_points:  68\n{\n", "}", "\n", "{:.6f}"),
    "lfpw/testset": ("version: 1\nn_points:  68\n{\n", "}\n", " \n", "{:.6f}"),
    "ibug": ("", "", "\r\n", "{:.6f}"),
    "300W/01_Indoor": ("version: 1\nn_points: 68\n{\n", "}\n", "\n", "{:.6f}"),
    "300W/02_Outdoor": ("version: 1\r\nn_points: 68\r\n{\r\n", "}\r\n", "\r\n", "{:.9f}"),
    "afw": ("", "", "\n", "{:.6f}"),
    "helen/trainset": ("version: 1\nn_points:  68\n{\n", "}", "\n", "{:.6f}"),
    "lfpw/trainset": ("version: 1\nn_points:  68\n{\n", "}", "\n", "{:.6f}"),
}
NAMES_300W = {
    "helen/testset": ["100_1.jpg", "101_1.jpg"],
    "lfpw/testset": ["image_0001.png", "image_0002.png"],
    "ibug": ["image_003_1.jpg", "image_092 _01.jpg"],
    "300W/01_Indoor": ["indoor_001.png", "indoor_002.png"],
    "300W/02_Outdoor": ["outdoor_001.png"],
    "afw": ["1_1.jpg", "1_2.jpg"],
    "helen/trainset": [f"{n}_1.jpg" for n in range(200, 211)],
    "lfpw/trainset": ["image_0003.png"],
}


def make_300w(root):
    """Folders of pictures and .pts, with a mirrored copy that is no face of the dataset; lists derived from them."""
    parts = {
        folder: make_faces([f"{folder}/{name}" for name in names], 68, seed)
        for seed, (folder, names) in enumerate(NAMES_300W.items(), 10)
    }
    for folder, faces in parts.items():
        head, foot, end, number = PTS[folder]
        for face in faces:
            rows = [f"{number.format(x)} {number.format(y)}{end}" for x, y in face.points]
            path = root / face.name
            write_picture(path)
            path.with_suffix(".pts").write_bytes((head + "".join(rows) + foot).encode())
    mirrored = root / "lfpw" / "testset" / "image_0001_mirror.png"
    write_picture(mirrored)
    write_text(mirrored.with_suffix(".pts"), (root / "lfpw" / "testset" / "image_0001.pts").read_text())
    subsets = subsets_300w(parts)
    # The lists leave out the blank that one name has.
    derive_300w(
        root,
        {
            subset: [Face(f.name.replace(" _", "_"), f.points, f.box, f.flags) for f in faces]
            for subset, faces in subsets.items()
        },
    )
    return subsets


def subsets_300w(parts):
    common, challenge = parts["helen/testset"] + parts["lfpw/testset"], parts["ibug"]
    indoor, outdoor = parts["300W/01_Indoor"], parts["300W/02_Outdoor"]
    training = [parts[folder] for folder in ("afw", "helen/trainset", "lfpw/trainset")]
    return {
        "common": common,
        "challenge": challenge,
        "full": common + challenge,
        "indoor": indoor,
        "outdoor": outdoor,
        "test": indoor + outdoor,
        "train": [face for faces in training for face in faces],
        "validation": [face for faces in training for face in faces[::10]],
    }


def derive_300w(root, subsets):
    """MMPose's, HRNet's and PFLD's lists, counted from 1 as the .pts are, and SPIGA's, counted from 0."""
    for subset, stem in {"full": "valid", "common": "valid_common", "challenge": "valid_challenge"}.items():
        write_coco(root / "annotations" / f"face_landmarks_300w_{stem}.json", subsets[subset])
        write_hrnet_csv(root / f"face_landmarks_300w_{stem}.csv", subsets[subset])
    rows = [
        " ".join([*(f"{v:.6f}" for v in face.points.ravel()), *(f"{v:.8f}" for v in face.box), face.name])
        for face in subsets["full"]
    ]
    write_text(root / "test_data" / "list.txt", "\n".join(rows))
    for folder, subset in (("300wpublic", "full"), ("300wprivate", "test")):
        records = [
            {
                "imgpath": face.name,
                "bbox": [*(face.box[:2] - 1), *(face.box[2:] - face.box[:2])],
                "ids": list(range(68)),
                "landmarks": (face.points - 1).tolist(),
                "visible": [1.0] * 68,
            }
            for face in subsets[subset]
        ]
        write_text(root / folder / "test.json", json.dumps(records))


def make_aflw(root):
    """`AFLWinfo_release.mat` (MATLAB 5) with four test faces, of which two are frontal; training faces are all one."""
    from scipy.io import savemat

    test = make_faces([f"{n}/image{n:05d}.jpg" for n in (0, 2, 3, 2)], 19, 20)
    first = make_faces(["0/image00001.jpg"], 19, 21)[0]
    masks = np.ones((4, 19))
    masks[[1, 3], [0, 18]] = 0
    # The test faces stand first in the arrays and last in the order of `ra`.
    faces = test + [first] * AFLW_TRAINING
    names = np.empty((len(faces), 1), object)
    names[:, 0] = [face.name for face in faces]
    fields = {
        "nameList": names,
        "bbox": np.array([face.box for face in faces])[:, [0, 2, 1, 3]],
        "data": np.array([face.points.T.ravel() for face in faces]),
        "mask_new": np.concatenate([masks, np.ones((AFLW_TRAINING, 19))]),
        "ra": np.roll(np.arange(len(faces)), -4)[None] + 1.0,
    }
    savemat(root / "AFLWinfo_release.mat", fields, do_compression=True)
    for face in [*test, first]:
        write_picture(root / "data" / "flickr" / face.name)
    shown = [Face(f.name, f.points, f.box, 1 - m) for f, m in zip(test, masks, strict=True)]
    subsets = {"full": shown, "frontal": [shown[0], shown[2]]}
    for subset, stem in {"full": "test", "frontal": "test_frontal"}.items():
        write_coco(root / "annotations" / f"face_landmarks_aflw_{stem}.json", subsets[subset], box_sizes=True)
        write_hrnet_csv(root / f"face_landmarks_aflw_{stem}.csv", subsets[subset], box_sizes=True)
    return subsets


def write_cofw_mat(path, faces, suffix, pictures):
    """A file of MATLAB 7.3: HDF5 behind 512 bytes, every array with its axes reversed, cells as references."""
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        store = file.create_group("#refs#")
        store.create_dataset("a", data=np.zeros(2, np.uint64)).attrs["MATLAB_empty"] = np.uint8(1)
        cells = np.empty((1, len(faces)), h5py.ref_dtype)
        for n, picture in enumerate(pictures):
            cells[0, n] = store.create_dataset(f"b{n}", data=picture.T).ref
        file.create_dataset(f"Is{suffix}", data=cells).attrs["MATLAB_class"] = np.bytes_("cell")
        rows = np.array([np.concatenate([face.points.T.ravel(), face.flags]) for face in faces])
        file.create_dataset(f"phis{suffix}", data=rows.T)
        boxes = np.array([[*face.box[:2], *(face.box[2:] - face.box[:2])] for face in faces])
        file.create_dataset(f"bboxes{suffix}", data=boxes.T)
    with path.open("r+b") as file:
        file.write(MATLAB_73.ljust(124) + b"\x00\x02IM")


def cofw_pictures(count):
    """uint8 RGB (H, W, 3), every second one grey (H, W)."""
    rng = np.random.default_rng(30)
    shapes = [(HEIGHT, WIDTH, 3) if n % 2 == 0 else (HEIGHT, WIDTH) for n in range(count)]
    return [rng.integers(0, 256, shape, np.uint8) for shape in shapes]


def make_cofw(root):
    """Three test faces and a training face; MMPose's file is counted from 0, but for its boxes."""
    test = make_faces([f"{1346 + n:06d}.jpg" for n in range(3)], 29, 31)
    train = make_faces(["000001.jpg"], 29, 32)
    write_cofw_mat(root / "COFW_test_color.mat", test, "T", cofw_pictures(3))
    write_cofw_mat(root / "COFW_train_color.mat", train, "Tr", cofw_pictures(1))
    moved = [Face(face.name, face.points - 1, face.box, face.flags) for face in test]
    write_coco(root / "annotations" / "cofw_test.json", moved, regions=False, occlusion=True)
    for face in test:
        write_picture(root / "images" / face.name)
    return {"test": test, "train": train}


def make_cofw68(root):
    """Three faces, a file of MATLAB 5 each, and the pictures of COFW."""
    from scipy.io import savemat

    faces = make_faces([f"{1346 + n:06d}.jpg" for n in range(3)], 68, 33)
    folder = root / "COFW68_Data" / "test_annotations"
    folder.mkdir(parents=True)
    for number, face in enumerate(faces, 1):
        fields = {"Points": face.points, "Occ": face.flags[None].astype(np.uint8)}
        savemat(folder / f"{number}_points.mat", fields)
    boxes = np.array([[*face.box[:2], *(face.box[2:] - face.box[:2])] for face in faces], np.int16)
    savemat(folder.parent / "cofw68_test_bboxes.mat", {"bboxes": boxes})
    write_cofw_mat(root / "COFW_test_color.mat", make_faces(["", "", ""], 29, 31), "T", cofw_pictures(3))
    return {"test": faces}


FASHION = {"upper": (1, 6), "lower": (2, 4), "full": (3, 8)}


def make_deepfashion(root):
    """Lists of two upper, lower and full-body clothes for each partition; by part and partition."""
    parts, rows, boxes, status = {}, [], [], []
    partitions = ("train", "val", "test")
    for seed, (part, (kind, count)) in enumerate(FASHION.items(), 40):
        names = [f"img/img_{kind}{n:07d}.jpg" for n in range(6)]
        faces = make_faces(names, count, seed)
        for n, face in enumerate(faces):
            codes = (np.arange(count) + n) % 3  # 0 seen, 1 hidden, 2 cut off
            faces[n] = Face(face.name, np.round(face.points), face.box, codes)
            marks = [f"{c} {x:03.0f} {y:03.0f}" for c, (x, y) in zip(codes, faces[n].points, strict=True)]
            rows.append(f"{face.name}  {kind}  {n % 5 + 1}  " + "  ".join(marks))
            boxes.append(f"{face.name}  " + " ".join(f"{value:03.0f}" for value in face.box))
            status.append(f"{face.name}  {partitions[n // 2]}")
            write_picture(root / "Img" / face.name)
        parts[part] = {partition: faces[2 * n : 2 * n + 2] for n, partition in enumerate(partitions)}
        test = [Face(f.name.removeprefix("img/"), f.points, f.box, f.flags) for f in parts[part]["test"]]
        write_coco(root / "annotations" / f"fld_{part}_test.json", test, regions=False, occlusion=True)
    for path, header, lines in (
        ("Anno/list_landmarks.txt", "image_name clothes_type variation_type landmark_visibility_1 ...", rows),
        ("Anno/list_bbox.txt", "image_name x_1 y_1 x_2 y_2", boxes),
        ("Eval/list_eval_partition.txt", "image_name evaluation_status", status),
    ):
        write_text(root / path, "\n".join([str(len(lines)), header, *lines]) + "\n")
    return parts


def make_lapa(root):
    subsets = {}
    for seed, (subset, count) in enumerate({"test": 2, "val": 1, "train": 1}.items(), 50):
        subsets[subset] = make_faces([f"{subset}/images/{n}_{seed}.jpg" for n in range(count)], 106, seed)
        for face in subsets[subset]:
            rows = [f"{x:.6f} {y:.6f}" for x, y in face.points]
            stem = Path(face.name).stem
            write_text(root / subset / "landmarks" / f"{stem}.txt", "\n".join(["106", *rows]) + "\n")
            write_picture(root / face.name)
    write_coco(root / "annotations" / "lapa_test.json", subsets["test"], regions=False)
    return subsets


MAKERS = {
    "wflw": make_wflw,
    "wflw68": lambda root: make_wflw(root, 68),
    "300w": make_300w,
    "aflw": make_aflw,
    "cofw": make_cofw,
    "cofw68": make_cofw68,
    "deepfashion": make_deepfashion,
    "lapa": make_lapa,
}


def make_all(root):
    """Every dataset in a folder of its own; the faces by dataset of the package and subset."""
    faces = {}
    for name, make in MAKERS.items():
        folder = root / name
        folder.mkdir(parents=True)
        faces[name] = make(folder)
    parts = faces.pop("deepfashion")
    return faces | {f"deepfashion_{part}": subsets for part, subsets in parts.items()}


if __name__ == "__main__":
    make_all(Path(sys.argv[1]))
