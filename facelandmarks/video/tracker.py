"""Follow faces from frame to frame: where each face is, and which face it is."""

from collections import deque
from collections.abc import Container, Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from facelandmarks.boxes import Boxes, convert_boxes, overlaps, tight_boxes
from facelandmarks.detection.base import Detections, Detector
from facelandmarks.finding import Find, Found, confirmed, detect_faces
from facelandmarks.results import Landmarks
from facelandmarks.video.frames import Frame
from facelandmarks.video.motion import Motion, appearance, assign, distances

if TYPE_CHECKING:
    from facelandmarks.model import Model

# Overlaps (IoU).
SAME_FACE = 0.4  # two boxes that overlap more show one face
CENTRED = 0.75  # below, the face was too far from the middle of its crop
AGREES = 0.5  # below, the points may be those of another face
# Mean scores of the points, relative to the usual one of the face: scores of two models cannot be compared.
NEWCOMER = 0.65  # relative to the best face; textures that the detector takes for faces have less
DOUBTFUL = 0.75
SURE = 0.9
UNCOVERED = 0.96  # below, something may be in front of the face
FAINT = 0.5  # below, half of the points are guesses: the face is not shown even where the detector finds it
USUAL_GAIN = 0.1  # of a new score in the usual one
# Limits of `distances`, in sides of the face.
NEAR = 0.6  # from a face to its detection
BACK = 1.0  # from where a face was lost to where it returns, at once ...
BACK_LATER = 2.0  # ... and in addition for each second between
# Cost of re-identifying a lost face: distance travelled (normalised to 1 at the limit) plus 1 - correlation of the
# appearances.
TRAVELLED = 0.5  # weight of the distance
COVERED = 0.3  # cost of the appearance while less than SURE of the face is visible
WORST = 0.7
CONFIRMED = 2  # frames in a row in which the detector must find a new face
LEAST = 1.0  # pixels: width and height of a face
UNSEEN = 3  # times in a row that the detector may miss a face with good scores ...
UNSEEN_TIME = 0.5  # ... within this many seconds


@dataclass(eq=False)
class Track:
    """One face over time."""

    motion: Motion
    trusted: Motion  # the motion when there was last no doubt: a face that is half covered seems to move
    usual: float  # mean score of its points
    appearance: NDArray[np.float64]
    box_score: float  # of its last detection
    seen: float  # time of its last detection, in seconds
    number: int | None = None  # None until it is confirmed
    hits: int = 1  # detections in a row that found it
    missed: int = 0  # detections in a row that missed it
    gone: bool = False  # it turned out not to be a face
    points: NDArray[np.float32] | None = None  # its last landmarks

    def count_detection(self, score: float | None, time: float) -> None:
        """Take in whether the detector found the face: its score, or None."""
        if score is None:
            self.missed, self.hits = self.missed + 1, 0
        else:
            self.missed, self.hits = 0, self.hits + 1
            self.seen, self.box_score = time, score

    def learn(self, face: "FoundFace", frame: Frame) -> None:
        """Take in the points that were found in a frame."""
        self.points = face.landmarks.points[0]
        if frame.time > self.motion.time:
            self.motion = self.motion.updated(face.box, frame.time)
        if face.relative_score >= UNCOVERED:
            self.trusted, self.appearance = self.motion, appearance(frame.image, face.box)
        if face.relative_score >= SURE:
            self.usual += USUAL_GAIN * (face.mean_score - self.usual)

    def cost_of_return(self, new: "Track") -> float:
        """Return the cost of taking a new face for this lost one: distance and appearance."""
        away = new.trusted.time - self.trusted.time
        here = new.trusted.box(new.trusted.time)
        # It kept moving, or it stayed (or turned back) where it was last seen.
        lost_at = np.array([self.trusted.box(new.trusted.time), self.trusted.box(self.trusted.time)])
        travelled = float(distances(lost_at, here[None]).min()) / (BACK + BACK_LATER * away)
        if travelled > 1:
            return np.inf
        unlike = COVERED if new.usual < SURE * self.usual else 1 - float(self.appearance @ new.appearance)
        return TRAVELLED * travelled + unlike


@dataclass(frozen=True, eq=False)
class FoundFace:
    """The face of a track in one frame: the landmarks (of one face), and their tight box (4,)."""

    track: Track
    landmarks: Landmarks
    box: Boxes

    @property
    def mean_score(self) -> float:
        """Mean score of the points."""
        return float(self.landmarks.scores[0].mean())

    @property
    def relative_score(self) -> float:
        """Mean score relative to the usual one of this face; 1 for a new face."""
        return self.mean_score / self.track.usual if self.track.usual > 0 else 1.0


@dataclass(eq=False)
class Tracker:
    """The faces that are followed, and those that were lost lately; parameters as in `facelandmarks.video.track`."""

    model: "Model"
    detector: Detector
    detect_every: int
    keep_lost: float
    find: Find
    live: list[Track] = field(default_factory=list)
    lost: list[Track] = field(default_factory=list)
    _next_number: int = 1
    _since_detection: int = 0

    def follow(self, frames: Iterable[Frame]) -> Generator[tuple[Frame, dict[int, Landmarks]], None, None]:
        """Yield each frame with its faces by number, held back until all new faces are confirmed or dropped."""
        held: deque[tuple[Frame, list[FoundFace]]] = deque()
        for frame in frames:
            held.append((frame, self.step(frame)))
            while held and all(face.track.number is not None or face.track.gone for face in held[0][1]):
                yield _by_number(*held.popleft())
        # No further frame can confirm the faces that are new now.
        for track in self.live:
            track.hits = CONFIRMED
        self._number()
        for frame, faces in held:
            yield _by_number(frame, faces)

    def step(self, frame: Frame) -> list[FoundFace]:
        """Find the faces of the next frame; new ones have no number yet."""
        self.lost = [track for track in self.lost if frame.time - track.trusted.time <= self.keep_lost]
        tracks = [track for track in self.live if _is_inside(track.motion.box(frame.time), frame)]
        faces = self._find(frame, tracks, _expected(tracks, frame.time), follow=True)
        # Points of a face beside the middle of its crop are drawn towards the middle: find them again.
        agreements = overlaps(_boxes(faces), _expected([face.track for face in faces], frame.time))
        pairs = zip(faces, agreements, strict=True)
        off = [face for face, agreement in pairs if agreement < CENTRED and _is_inside(face.box, frame)]
        faces = self._find_again(frame, faces, [face.track for face in off], _boxes(off))
        # Those whose points may be of another face, or of none.
        boxes = _boxes(faces)
        strayed = overlaps(boxes, _expected([face.track for face in faces], frame.time)) < AGREES
        dim = np.array([face.relative_score < DOUBTFUL for face in faces], bool)
        shared = (overlaps(boxes[:, None], boxes) - np.eye(len(boxes))).max(1, initial=0) > SAME_FACE
        doubted = {face.track for face, doubt in zip(faces, strayed | dim | shared, strict=True) if doubt}
        self._since_detection += 1
        new = any(track.number is None for track in self.live)
        due = self._since_detection >= self.detect_every or frame.index == 0
        if due or new or self.lost or doubted or len(faces) < len(self.live):
            faces = self._check(frame, faces, doubted)
            self._since_detection = 0
        for face in faces:
            face.track.learn(face, frame)
        return faces

    def _find_again(
        self, frame: Frame, faces: Sequence[FoundFace], tracks: Sequence[Track], boxes: Boxes
    ) -> list[FoundFace]:
        """Replace the faces of some tracks by those in other boxes."""
        return [face for face in faces if face.track not in tracks] + self._find(frame, tracks, boxes)

    def _find(self, frame: Frame, tracks: Sequence[Track], boxes: Boxes, follow: bool = False) -> list[FoundFace]:
        """Find the faces of tracks in tight boxes (N, 4); `follow` takes their last landmarks, if the model can."""
        if not tracks:
            return []
        last = [track.points for track in tracks if track.points is not None]
        regions = self.model.regions_after(np.stack(last)) if follow and len(last) == len(tracks) else None
        if regions is None:
            found = self.model.predict(frame.image, boxes, box_convention="tight")
        else:
            center, scale, rotation = regions
            size = (frame.image.shape[1], frame.image.shape[0])
            own = convert_boxes(boxes, "tight", self.model.spec.box_convention)  # only told of in the result
            told = Found(own, np.full(len(boxes), np.nan, np.float32), None, rotation, None, size)
            crops = self.model.prepare(frame.image, center=center, scale=scale, rotation=rotation)
            found = self.model.landmarks(crops, told)
        # Without a face, points may be nowhere (NaN), or all in one place.
        finite = np.isfinite(found.points).all(axis=(1, 2), keepdims=True)
        rows = np.flatnonzero(np.ptp(np.where(finite, found.points, 0), axis=1).min(axis=1) >= LEAST).tolist()
        tight = convert_boxes(tight_boxes(found.points[rows]), self.model.scheme.box_convention, "tight")
        alone = (cast("Landmarks", found[row : row + 1]) for row in rows)
        return [FoundFace(tracks[row], face, box) for row, face, box in zip(rows, alone, tight, strict=True)]

    def _check(self, frame: Frame, faces: list[FoundFace], doubted: Container[Track]) -> list[FoundFace]:
        """Compare the faces with what the detector finds: drop, correct and add."""
        found = detect_faces(frame.image, self.detector, self.find)
        boxes = convert_boxes(found.boxes.astype(np.float64), self.detector.convention, "tight")
        # Not the boxes of the points: those of a covered face lie on the face in front.
        pairs = assign(distances(_expected(self.live, frame.time), boxes), NEAR)
        rows = {self.live[live]: row for live, row in pairs}
        for track in self.live:
            track.count_detection(float(found.scores[rows[track]]) if track in rows else None, frame.time)
        faces = [face for face in faces if face.track in rows or face.track not in doubted]
        seen = [face for face in faces if face.track in rows]
        wrong = [face.track for face in seen if overlaps(face.box, boxes[rows[face.track]]) < SAME_FACE]
        faces = self._find_again(frame, faces, wrong, boxes[[rows[track] for track in wrong]])
        faces = [face for face in faces if face.relative_score >= FAINT]
        kept = {face.track for face in faces}
        for track in list(self.live):
            overlooked = track.missed >= UNSEEN and frame.time - track.seen >= UNSEEN_TIME
            if track in kept and not overlooked and (track.number is not None or not track.missed):
                continue
            self.live.remove(track)
            if track.number is None:
                track.gone = True
            else:
                self.lost.append(track)
        faces = [face for face in faces if face.track in self.live]
        free = [row for row in range(len(boxes)) if row not in rows.values()]
        faces += self._add(frame, faces, boxes[free], found[free])
        self._number()
        return [face for face in faces if not face.track.gone]

    def _add(self, frame: Frame, known: Sequence[FoundFace], boxes: Boxes, found: Detections) -> list[FoundFace]:
        """Start to follow the detections that belong to no known face; `boxes` (N, 4) are theirs, tight."""
        taken = overlaps(boxes[:, None], _boxes(known)).max(1, initial=0) > SAME_FACE
        new = [row for row in np.flatnonzero(~taken) if _is_inside(boxes[row], frame)]
        rows = {}
        for row in new:
            motion = Motion.at_rest(boxes[row], frame.time)
            look = appearance(frame.image, boxes[row])
            rows[Track(motion, motion, 0.0, look, float(found.scores[row]), frame.time)] = row
        faces = self._find(frame, list(rows), boxes[new])
        if self.find.confirm and faces:
            first, seen = faces[0].landmarks, found[[rows[face.track] for face in faces]]
            parts = [face.landmarks for face in faces]
            asked = Landmarks.join(parts, first.scheme, first.image_size, self.detector.name)
            asked = replace(asked, box_scores=seen.scores, detector_points=seen.points)
            faces = list(compress(faces, confirmed(asked, self.model.spec, beside=len(known) > 0)))
        for face in faces:
            face.track.usual = face.mean_score
        self.live += [face.track for face in faces]
        return faces

    def _number(self) -> None:
        """Number the new faces that were found often enough by now: the old number for a lost face, else the next."""
        numbered = [track for track in self.live + self.lost if track.number is not None]
        best = max((track.usual for track in numbered), default=0.0)
        ready = [track for track in self.live if track.number is None and track.hits >= CONFIRMED]
        for track in ready:
            track.gone = track.usual < NEWCOMER * best
        self.live = [track for track in self.live if not track.gone]
        new = [track for track in ready if not track.gone]
        if new and self.lost:
            costs = np.array([[lost.cost_of_return(track) for track in new] for lost in self.lost])
            for row, column in assign(costs, WORST):
                new[column].number = self.lost[row].number
            returned = {track.number for track in new}
            self.lost = [track for track in self.lost if track.number not in returned]
        for track in new:
            if track.number is None:
                track.number = self._next_number
                self._next_number += 1


def _by_number(frame: Frame, faces: Iterable[FoundFace]) -> tuple[Frame, dict[int, Landmarks]]:
    # The tracks go on changing, perhaps in another thread: what is given out holds their present scores.
    found = {
        face.track.number: replace(face.landmarks, box_scores=np.array([face.track.box_score], np.float32))
        for face in faces
        if face.track.number is not None
    }
    return frame, dict(sorted(found.items()))


def _boxes(faces: Sequence[FoundFace]) -> Boxes:
    return np.array([face.box for face in faces]).reshape(-1, 4)


def _expected(tracks: Sequence[Track], time: float) -> Boxes:
    """Return the boxes (N, 4) in which faces are expected."""
    return np.array([track.motion.box(time) for track in tracks]).reshape(-1, 4)


def _is_inside(box: Boxes, frame: Frame) -> bool:
    """Return whether the middle of a box lies in the image."""
    x, y = (box[:2] + box[2:]) / 2
    height, width = frame.image.shape[:2]
    return bool(0 <= x < width and 0 <= y < height)
