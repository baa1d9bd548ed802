"""Follow faces from frame to frame: who is where, and who is who."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facelandmarks.boxes import Boxes, convert_boxes, tight_boxes
from facelandmarks.detection.base import Detector
from facelandmarks.results import Landmarks
from facelandmarks.schemes import Scheme
from facelandmarks.video.assign import assign, distances, overlaps
from facelandmarks.video.frames import Frame
from facelandmarks.video.identity import look
from facelandmarks.video.motion import Motion

# Overlaps (IoU).
SAME_FACE = 0.4  # two boxes from here on are of one face
CENTRED = 0.75  # a face lies well enough in its crop if the box of its points is so near to what was expected
AGREES = 0.5  # points that cover less than this of the box they were looked for in
# Scores of the points, as a fraction of what the face usually has: a model's scores mean something only to itself.
NEWCOMER = 0.65  # of the best face known; textures that the detector takes for faces have less
DOUBTFUL = 0.75
SURE = 0.9
FAINT = 0.5  # below, half of the points are guessed: it is not shown, even if the detector sees something of it
USUAL_GAIN = 0.1  # of a new score in the usual one
# Limits of `distances`, in sides of the face.
NEAR = 0.6  # a detection and the face that it is of
BACK = 1.0  # where a face comes back, at once ...
BACK_LATER = 2.0  # ... and how much farther for each second it was away
# A face that comes back costs a part of its way (1 at its limit), and 1 - correlation of its looks.
WAY = 0.5
COVERED = 0.3  # in place of the looks, if less than SURE of the face is to be seen as yet
WORST = 0.7
CONFIRMED = 2  # frames in which the detector must have found a face that is new
LEAST = 1.0  # pixels: a face must be as wide and as high
UNSEEN = 3  # times that the detector may overlook a face with good scores ...
UNSEEN_TIME = 0.5  # ... over at least so many seconds


class LandmarkModel(Protocol):
    """What is needed of a model; `facelandmarks.Model` is one."""

    @property
    def scheme(self) -> Scheme:
        """The point layout."""
        ...

    def predict(
        self, image: NDArray[np.uint8], bbox: Boxes | None = None, *, box_convention: str | None = None
    ) -> Landmarks:
        """Landmarks in given boxes."""
        ...


@dataclass(eq=False)
class Track:
    """One face over time. The only thing here that changes.

    Attributes
    ----------
    motion
        Where it is and goes.
    trusted
        The same, when there was no doubt last: a face that is half covered seems to move.
    usual
        Usual mean score of its points.
    look
        What it looks like, see `facelandmarks.video.identity.look`.
    box_score
        The detector's score, when it found the face last.
    seen
        When that was, in seconds.
    number
        What it is called; None until it is confirmed.
    hits, missed
        How often in a row the detector found it, or did not.
    gone
        Whether it turned out to be no face.
    """

    motion: Motion
    trusted: Motion
    usual: float
    look: NDArray[np.float64]
    box_score: float
    seen: float
    number: int | None = None
    hits: int = 1
    missed: int = 0
    gone: bool = False


@dataclass(frozen=True, eq=False)
class Sighting:
    """A face in a frame: what the model found, as arrays of one face."""

    track: Track
    points: NDArray[np.float32]
    scores: NDArray[np.float32]
    box: NDArray[np.float32]


@dataclass(eq=False)
class Tracker:
    """Faces that are followed, and those that were lost of late.

    Parameters
    ----------
    model
        Finds the points.
    detector
        Finds the faces.
    detect_every
        At most so many frames from one detection to the next.
    keep_lost
        Seconds for which a face that went keeps its number.
    min_score
        Least score of a detection; None is the detector's own threshold.
    """

    model: LandmarkModel
    detector: Detector
    detect_every: int
    keep_lost: float
    min_score: float | None = None
    live: list[Track] = field(default_factory=list)
    lost: list[Track] = field(default_factory=list)
    _next_number: int = 1
    _since_detection: int = 0

    def step(self, frame: Frame) -> list[Sighting]:
        """The faces of the next frame; those that are new have no number yet."""
        self.lost = [track for track in self.lost if frame.time - track.trusted.time <= self.keep_lost]
        sightings = self._follow(frame)
        doubts = self._doubts(sightings, frame.time)
        self._since_detection += 1
        tentative = any(track.number is None for track in self.live)
        due = self._since_detection >= self.detect_every or frame.index == 0
        if due or tentative or self.lost or any(doubts) or len(sightings) < len(self.live):
            sightings = self._check(frame, sightings, doubts)
            self._since_detection = 0
        self._learn(frame, sightings)
        return sightings

    def _follow(self, frame: Frame) -> list[Sighting]:
        """Look for every face where it should be by now."""
        height, width = frame.image.shape[:2]
        inside = [track for track in self.live if _touches(track.motion.box(frame.time), width, height)]
        sightings = self._find(frame, inside, [track.motion.box(frame.time) for track in inside])
        # Points of a face that was not in the middle of its crop are drawn towards it: look again where it is.
        boxes = self._boxes(sightings)
        expected = np.array([sighting.track.motion.box(frame.time) for sighting in sightings]).reshape(-1, 4)
        off = np.diagonal(overlaps(boxes, expected)) < CENTRED
        off = off & np.array([_touches(box, width, height) for box in boxes], bool)
        good = [sighting for sighting, moved in zip(sightings, off, strict=True) if not moved]
        return good + self._find(frame, [s.track for s, moved in zip(sightings, off, strict=True) if moved], boxes[off])

    def _find(self, frame: Frame, tracks: Sequence[Track], boxes: Sequence[Boxes] | Boxes) -> list[Sighting]:
        if not tracks:
            return []
        found = self.model.predict(frame.image, np.array(boxes), box_convention="tight")
        rows = zip(tracks, found.points, found.scores, found.boxes, strict=True)
        # What is no face may get points that are nowhere, or all at one place.
        return [Sighting(*row) for row in rows if np.isfinite(row[1]).all() and np.ptp(row[1], axis=0).min() >= LEAST]

    def _doubts(self, sightings: Sequence[Sighting], time: float) -> list[bool]:
        """Whether what was found may be no face, or that of somebody else."""
        if not sightings:
            return []
        boxes = self._boxes(sightings)
        expected = np.array([sighting.track.motion.box(time) for sighting in sightings])
        strayed = np.diagonal(overlaps(boxes, expected)) < AGREES
        dim = np.array([_brightness(sighting) < DOUBTFUL for sighting in sightings])
        shared = (overlaps(boxes, boxes) - np.eye(len(boxes))).max(1) > SAME_FACE
        return list(strayed | dim | shared)

    def _check(self, frame: Frame, sightings: list[Sighting], doubts: Sequence[bool]) -> list[Sighting]:
        """Compare what was found with what the detector finds; drop, mend and add."""
        found = self.detector.detect(frame.image, min_score=self.min_score)
        scores = found.scores
        detected = convert_boxes(found.boxes.astype(np.float64), self.detector.convention, "tight")
        # Not the boxes of the points: those of a face that is covered by another are the other's.
        expected = np.array([track.motion.box(frame.time) for track in self.live]).reshape(-1, 4)
        matches = dict(assign(distances(expected, detected), NEAR))
        by_track = {track: matches.get(row) for row, track in enumerate(self.live)}
        self._count(frame.time, scores, by_track)
        doubted = {s.track: doubt for s, doubt in zip(sightings, doubts, strict=True)}
        kept = [s for s in sightings if by_track[s.track] is not None or not doubted[s.track]]
        kept = self._mend(frame, kept, detected, by_track)
        kept = [s for s in kept if _brightness(s) >= FAINT]
        self._lose(frame.time, {s.track for s in kept})
        kept = [s for s in kept if s.track in self.live]
        free = [column for column in range(len(detected)) if column not in matches.values()]
        kept += self._add(frame, kept, detected[free], scores[free])
        self._name()
        return [s for s in kept if not s.track.gone]

    def _count(self, time: float, scores: NDArray[np.float32], by_track: dict[Track, int | None]) -> None:
        for track in self.live:
            column = by_track[track]
            if column is None:
                track.missed += 1
                track.hits = 0
            else:
                track.missed, track.hits = 0, track.hits + 1
                track.seen, track.box_score = time, float(scores[column])

    def _mend(
        self, frame: Frame, sightings: Sequence[Sighting], detected: Boxes, by_track: dict[Track, int | None]
    ) -> list[Sighting]:
        """Look again, where the detector found the face, for points that lie elsewhere."""
        good, wrong, places = [], [], []
        for sighting in sightings:
            column = by_track[sighting.track]
            if column is None or overlaps(self._boxes([sighting]), detected[[column]])[0, 0] >= SAME_FACE:
                good.append(sighting)
            else:
                wrong.append(sighting.track)
                places.append(detected[column])
        return good + self._find(frame, wrong, places)

    def _lose(self, time: float, kept: set[Track]) -> None:
        """Put away the faces that are not there; those without a number never were."""
        for track in list(self.live):
            overlooked = track.missed >= UNSEEN and time - track.seen >= UNSEEN_TIME
            if track in kept and not overlooked and (track.number is not None or not track.missed):
                continue
            self.live.remove(track)
            if track.number is None:
                track.gone = True
            else:
                self.lost.append(track)

    def _add(
        self, frame: Frame, known: Sequence[Sighting], boxes: Boxes, scores: NDArray[np.float32]
    ) -> list[Sighting]:
        """Begin to follow the detections that are of no known face."""
        taken = overlaps(boxes, self._boxes(known)).max(1, initial=0) > SAME_FACE
        height, width = frame.image.shape[:2]
        new = [row for row in np.flatnonzero(~taken) if _touches(boxes[row], width, height)]
        tracks = []
        for row in new:
            motion = Motion.at_rest(boxes[row], frame.time)
            seen = look(frame.image, boxes[row])
            tracks.append(Track(motion, motion, 0.0, seen, float(scores[row]), frame.time))
        sightings = self._find(frame, tracks, list(boxes[new]))
        for sighting in sightings:
            sighting.track.usual = float(sighting.scores.mean())
        self.live += [sighting.track for sighting in sightings]
        return sightings

    def _name(self) -> None:
        """Number the faces that are confirmed by now: those that come back as before, the others from here on."""
        known = max((track.usual for track in self.live + self.lost if track.number is not None), default=0.0)
        new = [track for track in self.live if track.number is None and track.hits >= CONFIRMED]
        for track in new:
            track.gone = track.usual < NEWCOMER * known
        self.live = [track for track in self.live if not track.gone]
        new = [track for track in new if not track.gone]
        if new and self.lost:
            costs = np.array([[_change(old, track) for track in new] for old in self.lost])
            back = assign(costs, WORST)
            for row, column in back:
                new[column].number = self.lost[row].number
            returned = {row for row, _ in back}
            self.lost = [track for row, track in enumerate(self.lost) if row not in returned]
        for track in new:
            if track.number is None:
                track.number = self._next_number
                self._next_number += 1

    def accept(self) -> None:
        """Number what is left without, at the end: there is no further frame to confirm it."""
        for track in self.live:
            track.hits = CONFIRMED
        self._name()

    def _learn(self, frame: Frame, sightings: Sequence[Sighting]) -> None:
        for sighting, box in zip(sightings, self._boxes(sightings), strict=True):
            track, brightness = sighting.track, _brightness(sighting)
            if frame.time > track.motion.time:
                track.motion = track.motion.updated(box, frame.time)
            if brightness >= SURE:
                track.trusted, track.look = track.motion, look(frame.image, box)
                track.usual += USUAL_GAIN * (float(sighting.scores.mean()) - track.usual)

    def _boxes(self, sightings: Sequence[Sighting]) -> Boxes:
        """Tight boxes (N, 4) around the points."""
        if not sightings:
            return np.zeros((0, 4))
        points = np.array([sighting.points for sighting in sightings])
        return convert_boxes(tight_boxes(points), self.model.scheme.box_convention, "tight")


def _brightness(sighting: Sighting) -> float:
    """Score of the points as a fraction of the usual one of this face."""
    usual = sighting.track.usual
    return float(sighting.scores.mean()) / usual if usual > 0 else 1.0


def _touches(box: Boxes, width: int, height: int) -> bool:
    """Whether the middle of a box lies in the picture."""
    middle = (box[:2] + box[2:]) / 2
    return bool((middle >= 0).all() and middle[0] < width and middle[1] < height)


def _change(old: Track, new: Track) -> float:
    """How unlike a face that came is to one that went: way and looks."""
    away = new.trusted.time - old.trusted.time
    here = new.trusted.box(new.trusted.time)
    # It went on, or it stayed or turned back where it was seen last.
    before = np.array([old.trusted.box(new.trusted.time), old.trusted.box(old.trusted.time)])
    way = float(distances(before, here[None]).min()) / (BACK + BACK_LATER * away)
    if way > 1:
        return np.inf
    unlike = COVERED if new.usual < SURE * old.usual else 1 - float(old.look @ new.look)
    return WAY * way + unlike
