"""Rows with the names, order and units of OpenFace's CSV files, for programs that read those.

Of its columns these are here: frame, face_id, timestamp, confidence, success, pose_Rx, pose_Ry, pose_Rz, and the
landmarks x_0, ..., y_0, ... OpenFace 2.2 also writes gaze, the head's position, landmarks in space and action units.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from facelandmarks.measures.pose import head_pose
from facelandmarks.schemes import get_scheme

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
