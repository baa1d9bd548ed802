"""MediaPipe's face mesh, run as `mediapipe.solutions.face_mesh` does with still images.

Of its detector's points it takes the eyes, so faces are shown upright to the network; with boxes alone they are shown
as they are, and `passes=2` turns them by the landmarks of the first look, as MediaPipe itself does from frame to frame
of a video.
"""

from dataclasses import replace

from facelandmarks.zoo.spec import ModelSpec

_STORY = (
    "Points are handed out as MediaPipe's fractions times the image's width and height: by about half a pixel of the "
    "crop they lie too far right, compared with centres of pixels. All points of a face have one score, that of being "
    "a face; detected faces under 0.5 are left out. z (`depth`) has the scale of x, its origin in the middle of the "
    "head, and is smaller where nearer to the camera."
)
FACE_MESH = ModelSpec(
    name="mediapipe_face_mesh",
    title="MediaPipe Face Mesh, 468 points",
    network="face_mesh",
    network_options={},
    scheme="mesh468",
    weights="face_landmark.tflite",
    input_size=(192, 192),
    geometry="rotated",
    decode="mesh",
    flip_test=False,
    flip_average="mesh",
    box_convention="mediapipe",
    box_padding=1.5,
    mean=(0.0, 0.0, 0.0),
    std=(255.0, 255.0, 255.0),
    detector="blazeface_short",
    confirm_below=0.5,
    story=_STORY,
)
FACE_MESH_ATTENTION = replace(
    FACE_MESH,
    name="mediapipe_face_mesh_attention",
    title="MediaPipe Face Mesh with attention, 478 points",
    network="face_mesh_attention",
    scheme="mesh478",
    weights="face_landmark_with_attention.tflite",
)

MODELS = (FACE_MESH, FACE_MESH_ATTENTION)
