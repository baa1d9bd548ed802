"""Videos by MediaPipe's rule: the region of a face follows from its landmarks in the frame before."""

import numpy as np
import pytest
from mediapipe_files import weights
from mediapipe_images import image, turned

import facelandmarks as fl
from facelandmarks.detection import load_detector
from facelandmarks.video import track

pytest.importorskip("scipy")


@pytest.fixture(scope="module")
def mesh():
    return fl.load_model("mediapipe_face_mesh", weights=weights("face_mesh"), engine="torch", threads=1)


def test_a_face_that_moves_and_turns_is_followed_turned(mesh, monkeypatch):
    detector = load_detector("blazeface_short", weights=weights("blazeface_short"), engine="torch", threads=1)
    whole = image("whole")
    frames = [turned(whole[:300, 60 + 4 * step : 360 + 4 * step], 3.0 * step) for step in range(10)]
    seen, prepare = [], type(mesh).prepare

    def noted(self, picture, *args, **options):
        crops = prepare(self, picture, *args, **options)
        seen.append((crops, options.get("center") is not None))
        return crops

    monkeypatch.setattr(type(mesh), "prepare", noted)
    found = list(track(frames, mesh, rate=25, detector=detector, smoothing=None))
    monkeypatch.undo()
    assert [frame.ids.tolist() for frame in found] == [[1]] * len(frames)
    followed = [crops for crops, by_landmarks in seen if by_landmarks]
    assert len(followed) >= len(frames) - 2
    assert np.rad2deg(followed[-1].rotation[0]) < -15  # the face leans clockwise: it is turned back
    for frame, picture in zip(found[3:], frames[3:], strict=True):
        alone = mesh.predict(picture, detector=detector)
        assert np.abs(frame.faces.points - alone.points).mean() < 1.5


def test_each_region_is_that_of_the_landmarks_before(mesh):
    points = mesh.predict(image("half"), (84, 34, 140, 90)).points
    center, scale, rotation = mesh.regions_after(points)
    low, high = points.min(1), points.max(1)
    np.testing.assert_allclose(center, (low + high) / 2, atol=1e-4)
    np.testing.assert_allclose(scale, np.repeat(1.5 * (high - low).max(1), 2)[None], atol=1e-4)
    across, down = (points[:, 263] - points[:, 33]).T
    np.testing.assert_allclose(rotation, -np.arctan2(down, across), atol=1e-6)
    assert fl.load_model("compact_300w", engine="torch").regions_after(np.zeros((1, 68, 2), np.float32)) is None
