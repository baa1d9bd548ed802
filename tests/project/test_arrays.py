"""Arrays of any shape, type and layout through every public function: finite or flagged, never a foreign error.

Warnings are errors here as in all tests. `--hypothesis-profile thorough` tries thirty times as many.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import facelandmarks as fl
from facelandmarks.boxes import CONVENTIONS, MOST_BOXES, check_boxes, convert_boxes
from facelandmarks.errors import FaceLandmarksError, InvalidBoxError, InvalidImageError, InvalidOptionError
from facelandmarks.evaluation import metrics
from facelandmarks.evaluation.metrics import hrnet_official, mmpose
from facelandmarks.pipeline import DECODERS, GEOMETRIES
from facelandmarks.schemes import CONVERSIONS, SCHEMES, convert

FEW = settings(max_examples=max(20, settings.default.max_examples // 5))  # of what runs the network
SIZE = (64, 48)  # width and height of the picture
NUMBERS = st.one_of(
    st.floats(-2.0, 80.0),
    st.sampled_from([0.0, -0.0, 0.3, 1e-3, 1e-30, 5e-324, 1e6, -1e6, 1e30, 1e300, np.inf, -np.inf, np.nan]),
)
GOOD_BOXES = st.builds(
    lambda x, y, w, h: [x, y, x + w, y + h],
    *[st.floats(-30.0, 45.0)] * 2,
    *[st.one_of(st.floats(1.5, 200.0), st.just(1e6))] * 2,
).filter(lambda box: box[2] > 0 and box[3] > 0)
LAYOUTS = st.sampled_from(["plain", "locked", "reversed", "strided", "fortran", "swapped bytes"])


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same values with another layout in memory."""
    if layout == "locked":
        array = array.copy()
        array.setflags(write=False)
    if layout == "reversed":
        array = array[::-1].copy()[::-1]
    if layout == "strided":
        array = np.repeat(array, 2, axis=-1)[..., ::2]
    if layout == "fortran":
        array = np.asfortranarray(array)
    return array.astype(array.dtype.newbyteorder()) if layout == "swapped bytes" else array


@pytest.fixture(scope="module")
def model():
    return fl.load_model(device="cpu", threads=1)


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)


def check_faces(faces, count: int) -> None:
    assert faces.points.shape == (count, 68, 2)
    assert faces.scores.shape == (count, 68)
    assert faces.points.dtype == faces.scores.dtype == np.float32
    assert np.isfinite(faces.points).all()
    assert np.isfinite(faces.scores).all()


# --- boxes ----------------------------------------------------------------------------------------------------------

SHAPES_OF_BOXES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)


@given(
    boxes=st.one_of(
        st.lists(st.lists(NUMBERS, min_size=3, max_size=5), max_size=3),
        st.lists(NUMBERS, max_size=5),
        hnp.arrays(hnp.scalar_dtypes(), SHAPES_OF_BOXES),
        hnp.arrays(object, SHAPES_OF_BOXES, elements=NUMBERS | st.none() | st.text(max_size=3) | st.just([])),
        st.sampled_from([None, "box", [[]], {}, [10**400] * 4, [None] * 4, ["a"] * 4, object(), b"1234"]),
    )
)
@pytest.mark.filterwarnings("ignore:.*complex:Warning")
def test_whatever_is_given_for_boxes(boxes):
    try:
        checked = check_boxes(boxes, *SIZE)
    except InvalidBoxError as error:
        assert len(str(error)) < 500  # noqa: PT017 - either outcome is right
    else:
        assert checked.shape == (len(checked), 4)
        assert np.isfinite(checked).all()
        assert (checked[:, 2:] > checked[:, :2]).all()


@given(box=st.lists(NUMBERS, min_size=4, max_size=4))
def test_any_four_numbers_give_points_or_an_error(box, model, picture):
    try:
        faces = model.predict(picture, box)
    except InvalidBoxError:
        return
    check_faces(faces, 1)


@FEW
@given(boxes=st.lists(GOOD_BOXES, max_size=4), layout=LAYOUTS, dtype=st.sampled_from([np.float32, np.float64]))
def test_good_boxes_of_any_layout(boxes, layout, dtype, model, picture):
    array = laid_out(np.array(boxes, dtype).reshape(-1, 4), layout)
    before = array.tobytes()
    faces = model.predict(picture, array)
    check_faces(faces, len(boxes))
    assert array.tobytes() == before
    np.testing.assert_array_equal(faces.points, model.predict(picture, np.array(boxes, dtype).reshape(-1, 4)).points)


@FEW
@given(
    shape=st.tuples(st.integers(2, 40), st.integers(2, 40)),
    layout=LAYOUTS,
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32, np.float64, bool]),
)
def test_pictures_of_any_layout_are_left_alone(shape, layout, dtype, model):
    values = np.random.default_rng(shape).random((*shape, 3))
    plain = (values * {np.uint8: 255, np.uint16: 65535}.get(dtype, 1)).astype(dtype)
    array = laid_out(plain, layout)
    before = array.tobytes()
    box = (0, 0, shape[1], shape[0])
    faces = model.predict(array, box)
    assert array.tobytes() == before
    np.testing.assert_array_equal(faces.points, model.predict(plain, box).points)
    assert model.predict(array).points.shape[1:] == (68, 2)  # detection, too
    assert array.tobytes() == before


@FEW
@given(counts=st.lists(st.integers(0, 3), max_size=5), data=st.data())
def test_batches_of_any_composition(counts, data, model, picture):
    boxes = [data.draw(st.lists(GOOD_BOXES, min_size=count, max_size=count)) for count in counts]
    results = model.predict_batch([picture] * len(counts), boxes)
    assert [len(faces) for faces in results] == counts
    for faces, given_boxes in zip(results, boxes, strict=True):
        check_faces(faces, len(given_boxes))
        # The network rounds a little differently in larger batches.
        sides = np.ptp(np.reshape(given_boxes, (-1, 2, 2)), axis=1).max(axis=1, initial=1.0)
        difference = np.abs(faces.points - model.predict(picture, given_boxes).points) / sides[:, None, None]
        assert difference.max(initial=0) < 2e-5


def test_a_million_boxes_are_refused_before_anything_is_cut(model, picture):
    boxes = np.tile([1.0, 1.0, 9.0, 9.0], (1_000_000, 1))
    for predict in (model.predict, model.prepare):
        with pytest.raises(InvalidBoxError, match=rf"1000000 boxes .* {MOST_BOXES}"):
            predict(picture, boxes)
    with pytest.raises(InvalidBoxError, match=rf"1000000 .* {MOST_BOXES}"):
        model.prepare(picture, center=boxes[:, :2], scale=boxes[:, 2:])


@given(
    boxes=st.lists(GOOD_BOXES, max_size=3),
    source=st.sampled_from([*CONVENTIONS]),
    target=st.sampled_from([*CONVENTIONS]),
)
def test_conventions(boxes, source, target):
    array = np.array(boxes).reshape(-1, 4)
    before = array.copy()
    converted = convert_boxes(array, source, target)
    assert np.isfinite(converted).all()
    np.testing.assert_array_equal(array, before)
    np.testing.assert_allclose(convert_boxes(converted, target, source), before, rtol=1e-9, atol=1e-6)


# --- geometry and decoders ------------------------------------------------------------------------------------------


@given(name=st.sampled_from([*GEOMETRIES]), boxes=st.lists(GOOD_BOXES, min_size=1, max_size=3))
def test_geometry_of_any_good_box(name, boxes, picture):
    geometry = GEOMETRIES[name]((64, 64))
    locked = picture.copy()
    locked.setflags(write=False)
    center, scale = geometry.regions(np.array(boxes))
    crops = geometry.cut(locked, center, scale)
    assert crops.shape == (len(boxes), 64, 64, 3)
    corners = np.tile(np.array([[[0, 0], [63, 63]]], np.float32), (len(boxes), 1, 1))
    back = geometry.to_image(corners, center, scale)
    assert np.isfinite(back).all()
    assert (back[:, 1] >= back[:, 0]).all()  # the official repository's are whole pixels


SPECIAL = np.array([0.0, 1.0, 1e-45, 3e38, -3e38, np.inf, -np.inf, np.nan], np.float32)
VALUES = st.floats(width=32) | st.sampled_from(SPECIAL.tolist())
SHAPES = {
    **dict.fromkeys(("argmax", "dark", "udp", "hrnet_official"), (2, 3, 12, 16)),
    "regression": (2, 3, 2),
    "points": (2, 3, 4),
    "simcc": (2, 2, 3, 24),
}


@given(data=st.data(), name=st.sampled_from([*SHAPES]), layout=LAYOUTS.filter(lambda layout: layout != "swapped bytes"))
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
def test_decoders_of_any_output(data, name, layout):
    """Outputs hold anything when a network or its weights are broken; a point may then be NaN, but there is one."""
    outputs = data.draw(hnp.arrays(np.float32, SHAPES[name], elements=VALUES))
    array = laid_out(outputs, layout)
    before = array.tobytes()
    points, scores, *_ = DECODERS[name].function(array, (64, 48))
    assert (points.shape, scores.shape) == ((2, 3, 2), (2, 3))
    assert points.dtype == scores.dtype == np.float32
    assert array.tobytes() == before
    again = DECODERS[name].function(outputs, (64, 48))
    np.testing.assert_array_equal(points, again[0])
    # DARK divides by the largest blurred value, as MMPose does (`_gaussian_blur`): of subnormal numbers it is 0.
    subnormal = name == "dark" and np.abs(outputs[outputs != 0]).min(initial=1) < np.finfo(np.float32).tiny
    if np.isfinite(outputs).all() and np.abs(outputs).max() < 1e6 and not subnormal:
        assert np.isfinite(points).all()


# --- metrics and schemes --------------------------------------------------------------------------------------------

POINTS = hnp.arrays(np.float64, (3, 5, 2), elements=st.floats(-1e4, 1e4) | st.just(np.nan))
SIZES = hnp.arrays(np.float64, (3,), elements=st.floats(-10, 1e4) | st.sampled_from([0.0, np.nan, np.inf, 5e-324]))


@given(points=POINTS, truth=POINTS, sizes=SIZES, visible=hnp.arrays(np.uint8, (3, 5)), layout=LAYOUTS)
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
def test_metrics(points, truth, sizes, visible, layout):
    arrays = [laid_out(array, layout) for array in (points, truth, sizes, visible)]
    before = [array.tobytes() for array in arrays]
    try:
        value = metrics.nme(*arrays)
    except InvalidOptionError as error:
        assert "normaliser" in str(error)  # noqa: PT017 - NaN sizes are refused, good ones are not
        assert not (np.isfinite(sizes).all() and (sizes > 0).all())
    else:
        assert np.isnan(value) or value >= 0
        assert 0 <= metrics.pck(*arrays[:3], 0.1, arrays[3]) <= 1 or not visible.any()
    for rules in (mmpose.nme, mmpose.pck):
        value = rules(*arrays)
        assert np.isnan(value) or value >= 0
    hrnet_official.nme(*arrays[:3])
    assert [array.tobytes() for array in arrays] == before


@given(a=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0), b=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0))
def test_metrics_of_other_shapes(a, b):
    assume(a != b or len(a) != 3 or a[-1] != 2)
    with pytest.raises(InvalidOptionError, match="one shape"):
        metrics.distances(np.zeros(a), np.zeros(b))


@given(
    pair=st.sampled_from([*CONVERSIONS]),
    array=hnp.arrays(hnp.floating_dtypes(), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)),
    fits=st.booleans(),
    layout=LAYOUTS,
)
def test_conversions_of_schemes(pair, array, fits, layout):
    source, target = pair
    points = np.zeros((*array.shape[:2], len(SCHEMES[source]), 2), array.dtype) if fits else array
    points = laid_out(points, layout) if points.ndim else points
    before = points.tobytes()
    try:
        converted = convert(points, source, target)
    except InvalidOptionError:
        assert not fits
    else:
        assert converted.shape == (*points.shape[:-2], len(SCHEMES[target]), 2)
        assert not np.shares_memory(converted, points)
    assert points.tobytes() == before


@FEW
@given(
    index=st.one_of(
        st.integers(-5, 5), st.lists(st.booleans(), max_size=5), st.lists(st.integers(-3, 3), max_size=4), st.slices(5)
    )
)
def test_indices_of_results(index, model, picture):
    faces = model.predict(picture, [[1, 1, 30, 30], [5, 5, 40, 40], [2, 2, 20, 20]])
    try:
        chosen = faces[index]
    except IndexError:
        return  # as with lists and arrays
    assert isinstance(chosen, fl.Face | fl.Landmarks)


@given(image=st.sampled_from([None, 3, [], "", b"", object()]) | st.binary(max_size=40) | st.text(max_size=20))
def test_whatever_is_given_for_a_picture(image, model):
    with pytest.raises(FaceLandmarksError) as caught:
        model.predict(image)
    assert isinstance(caught.value, InvalidImageError | ImportError)
