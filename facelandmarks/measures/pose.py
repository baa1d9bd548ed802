"""Head pose: position and rotation of a head, from points of one image and a face of average shape; OpenFace's rows.

Camera axes: x right, y down, z away from the camera. Head axes: the same for a face that looks straight into the
camera, which therefore has no rotation.

The rows have the names, order and units of OpenFace's CSV files, for programs that read those: frame, face_id,
timestamp, confidence, success, pose_Rx, pose_Ry, pose_Rz, and the landmarks x_0, ..., y_0, ... OpenFace 2.2 also writes
gaze, the head's position, landmarks in space and action units.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks._opencv import cv2
from facelandmarks.boxes import to_float64
from facelandmarks.errors import InvalidOptionError
from facelandmarks.schemes import Scheme, check_points, get_scheme

# Centimetres in the axes of the head. From MediaPipe's canonical face model (google-ai-edge/mediapipe, Apache-2.0,
# modules/face_geometry/data): vertices 33, 133, 362, 263, 1, 61, 291 and 152, with y and z turned round.
AVERAGE_FACE: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "eye_left_outer": (-4.445859, -2.663991, -3.173422),
        "eye_left_inner": (-1.856432, -2.585245, -3.757904),
        "eye_right_inner": (1.856432, -2.585245, -3.757904),
        "eye_right_outer": (4.445859, -2.663991, -3.173422),
        "nose_tip": (0.0, 1.126865, -7.475604),
        "mouth_left": (-2.456206, 4.342621, -4.283884),
        "mouth_right": (2.456206, 4.342621, -4.283884),
        "chin": (0.0, 9.403378, -4.264492),
    }
)
# Labels of 2,014 faces of 300-W have errors up to 0.086 (median 0.027), 500 sets of random points 0.136 and more.
LARGEST_ERROR = 0.1
SHORTEST, LONGEST = 1e-6, 1e9  # pixels, of focal lengths and images' sides: beyond, numbers overflow


@dataclass(frozen=True, eq=False)
class HeadPose:
    """Poses of N heads; angles (N,) in degrees."""

    rotation: NDArray[np.float64]  # (N, 3, 3), from axes of the head to axes of the camera
    # (N, 3): the head's origin, between the ears, in the camera's axes, in cm of an average head; as accurate as the
    # focal length.
    translation: NDArray[np.float64]
    yaw: NDArray[np.float64]  # positive when the nose points to the right of the image
    pitch: NDArray[np.float64]  # positive when it points up
    roll: NDArray[np.float64]  # positive when the head leans clockwise in the image
    # (N,): root mean square distance of the points from those of the turned average face, as a fraction of the
    # diagonal of the points' bounding box.
    error: NDArray[np.float64]
    # (N,): no point is missing, the face is larger than about 0.6 % of the focal length, the head is in front of the
    # camera, turned by less than 90 degrees, `error` <= 0.1.
    valid: NDArray[np.bool_]


def head_pose(
    points: ArrayLike, scheme: str | Scheme, image_size: tuple[int, int], *, focal: float | None = None
) -> HeadPose:
    """Estimate the pose of each head, by PnP of eight points: corners of eyes and mouth, tip of the nose, chin.

    Parameters
    ----------
    points
        (N, K, 2) in pixels.
    scheme
        Name or record of a scheme that names these points: `aflw19`, `cofw29`, `ibug68`, `wflw98`, `lapa106` or
        a mesh.
    image_size
        Width and height of the whole image in pixels; its middle is taken for the optical axis.
    focal
        Focal length in pixels. None: the longer side of the image, an angle of view of 53 degrees. The angles hardly
        depend on it for a face that is small in the image; the distance is proportional to it.

    Notes
    -----
    Lens distortion is ignored. Rotation = Rz(roll) Ry(-yaw) Rx(-pitch).
    """
    array, known = check_points(points, scheme)
    missing = [name for name in AVERAGE_FACE if name not in known.named]
    if missing:
        raise InvalidOptionError(f"{known.name} lacks points that head pose needs: {', '.join(missing)}")
    size = to_float64(image_size, "image_size must be (width, height), numbers", InvalidOptionError)
    length = to_float64(size.max(initial=0) if focal is None else focal, "focal must be a number", InvalidOptionError)
    lengths = np.append(size, length)
    if size.shape != (2,) or length.shape != () or not ((lengths >= SHORTEST) & (lengths <= LONGEST)).all():
        expected = f"(width, height) and focal a number, positive, {SHORTEST:g} to {LONGEST:g} pixels"
        raise InvalidOptionError(f"image_size must be {expected}; got {image_size!r:.99} and {focal!r:.99}")
    seen = array[:, [known.named[name] for name in AVERAGE_FACE]]
    model = np.array(list(AVERAGE_FACE.values()))
    # The middle of the image: pixels are counted from the centre of the first.
    width, height = size
    camera = np.array([[length, 0, (width - 1) / 2], [0, length, (height - 1) / 2], [0, 0, 1]])
    rotation, translation = _solve(seen, model, camera)
    projected = (model @ rotation.transpose(0, 2, 1) + translation[:, None]) @ camera.T
    yaw = np.rad2deg(np.arcsin(np.clip(rotation[:, 2, 0], -1, 1)))
    pitch = -np.rad2deg(np.arctan2(rotation[:, 2, 1], rotation[:, 2, 2]))
    roll = np.rad2deg(np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0]))
    with np.errstate(divide="ignore", invalid="ignore"):
        off = projected[..., :2] / projected[..., 2:] - seen
        error = np.sqrt((off**2).sum(-1).mean(-1)) / np.linalg.norm(np.ptp(seen, axis=1), axis=-1)
        # The nose points to the camera, wherever in the image the head is.
        facing = np.einsum("ni,ni->n", rotation[:, :, 2], translation) > 0
        valid = (translation[:, 2] > 0) & facing & (error <= LARGEST_ERROR)
    return HeadPose(rotation, translation, yaw, pitch, roll, error, valid)


def _solve(
    seen: NDArray[np.float64], model: NDArray[np.float64], camera: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rotations (N, 3, 3) and translations (N, 3); NaN for points that are missing, on one line or too close."""
    finite: NDArray[np.bool_] = np.isfinite(seen.sum(axis=(1, 2)))
    centred = np.where(finite[:, None, None], seen, 0.0)
    centred = centred - centred.mean(axis=1, keepdims=True)
    singular = np.linalg.svd(centred, compute_uv=False)
    spread = finite & (singular[:, 1] > 1e-3 * singular[:, 0])
    rotations, translations = np.full((len(seen), 3, 3), np.nan), np.full((len(seen), 3), np.nan)
    for index in np.flatnonzero(spread):
        points: Any = np.ascontiguousarray(seen[index])
        try:
            found, turn, shift = cv2.solvePnP(model, points, camera, None, flags=cv2.SOLVEPNP_SQPNP)
        except cv2.error:  # it refuses points that are too close to each other, seen from the camera
            continue
        if found:
            turn, shift = cv2.solvePnPRefineLM(model, points, camera, None, turn, shift)
            rotations[index], translations[index] = cv2.Rodrigues(turn)[0], shift[:, 0]
    return rotations, translations


HEAD = ("frame", "face_id", "timestamp", "confidence", "success")
POSE = ("pose_Rx", "pose_Ry", "pose_Rz")


def openface_columns(scheme: str) -> list[str]:
    """Return the header for faces of a scheme; `InvalidOptionError` if it lacks the points that a head pose needs."""
    count = len(get_scheme(scheme))
    head_pose(np.zeros((0, count, 2)), scheme, (1, 1))
    return [*HEAD, *POSE, *(f"{axis}_{index}" for axis in "xy" for index in range(count))]


def openface_rows(
    record: Mapping[str, Any], frame: int, time: float | None, ids: Sequence[int] | None = None
) -> Iterator[list[Any]]:
    """Yield the cells of each face of an image or frame under `openface_columns`; None is an empty cell.

    Parameters
    ----------
    record
        As `Landmarks.to_dict` gives it. Without faces there is one row, whose success and confidence are 0.
    frame
        Counted from 1, as OpenFace does.
    time
        Seconds from the start; None for images.
    ids
        One a face, from 0; None: in the order of the record.
    """
    stamp = None if time is None else round(time, 3)
    faces = record["faces"]
    if not faces:
        yield [frame, 0, stamp, 0, 0]
        return
    points = np.array([face["points"] for face in faces], np.float64)
    angles = openface_angles(points, record["scheme"], (record["width"], record["height"]))
    for row, (number, face) in enumerate(zip(ids or range(len(faces)), faces, strict=True)):
        yield [frame, number, stamp, face["box_score"], 1, *angles[row], *points[row].T.ravel().tolist()]


def openface_angles(points: Any, scheme: str, size: tuple[int, int]) -> list[tuple[float | None, ...]]:
    """Return pitch, yaw and roll of heads (N, K, 2) in radians; None where the pose is not valid.

    The rotation is Rx(pitch) Ry(yaw) Rz(roll), which takes the head's axes to the camera's: x right, y down, z away
    from the camera (OpenFace's `Utilities::Euler2RotationMatrix`). Yaw and pitch have the other sign in
    `HeadPose`.
    """
    pose = head_pose(points, scheme, size)
    turn = pose.rotation
    pitch = np.arctan2(-turn[:, 1, 2], turn[:, 2, 2])
    yaw = np.arcsin(np.clip(turn[:, 0, 2], -1, 1))
    roll = np.arctan2(-turn[:, 0, 1], turn[:, 0, 0])
    return [
        tuple(round(angle, 4) for angle in angles) if valid and all(map(math.isfinite, angles)) else (None,) * 3
        for *angles, valid in zip(pitch.tolist(), yaw.tolist(), roll.tolist(), pose.valid.tolist(), strict=True)
    ]
