"""MediaPipe's networks without their weights: names, shapes, the regions of the attention mesh, and ONNX."""

import numpy as np
import pytest
import torch
from tflite_files import network_file
from torch.nn import functional as F

from facelandmarks.nn.blazeface import BlazeFaceFull, BlazeFaceShort, Block, PReLU, SameConv2d, cells
from facelandmarks.nn.build import build_graph
from facelandmarks.nn.face_mesh import FaceMesh, FaceMeshAttention, Region
from facelandmarks.schemes.mesh import LEFT_EYE, LIPS, RIGHT_EYE
from facelandmarks.weights.tflite import LAYERS, read_mediapipe

MADE = {
    "face_mesh": (FaceMesh, 192, (1405,), 604_685),
    "face_mesh_attention": (FaceMeshAttention, 192, (1435,), 1_189_277),
    "blazeface_short": (BlazeFaceShort, 128, (896, 17), 101_390),
    "blazeface_full": (BlazeFaceFull, 192, (2304, 17), 508_308),
}


def made(name):
    torch.manual_seed(1)
    network = MADE[name][0]().eval().requires_grad_(False)
    for layer in network.modules():
        if isinstance(layer, PReLU):
            torch.nn.init.uniform_(layer.weight, -1.5, 1.5)  # MediaPipe's reach from -1.6 to 1.4
    return network


@pytest.mark.parametrize("name", MADE)
def test_layers_parameters_and_outputs(name):
    network = made(name)
    _, side, shape, parameters = MADE[name]
    state = network.state_dict()
    assert set(LAYERS[name].values()) == {key.rpartition(".")[0] for key in state}
    assert len(set(LAYERS[name].values())) == len(LAYERS[name])
    assert sum(value.numel() for value in state.values()) == parameters
    assert network(torch.zeros(2, 3, side, side)).shape == (2, *shape)


@pytest.mark.parametrize("name", MADE)
def test_weights_come_back_from_a_file(name, tmp_path):
    state = {key: value.numpy() for key, value in made(name).state_dict().items()}
    path = tmp_path / "a.tflite"
    path.write_bytes(network_file(state, LAYERS[name]))
    found = read_mediapipe(path)
    assert set(found) == set(state)
    for key, values in found.items():
        np.testing.assert_array_equal(values, state[key].astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("name", MADE)
def test_onnx_gives_the_same(name):
    onnxruntime = pytest.importorskip("onnxruntime")
    network = made(name)
    _, side, _, _ = MADE[name]
    pixels = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    expected = network(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255).numpy()
    graph = build_graph(network, (0.0,) * 3, (255.0,) * 3, (side, side), {})
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = session.run(None, {"pixels": pixels})[0]
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())


def test_convolutions_in_onnx_pad_below_and_right():
    """As one operator each: a padding of its own would cost ONNX Runtime its blocked layout."""
    onnx = pytest.importorskip("onnx")
    graph = onnx.load_from_string(build_graph(made("face_mesh"), (0.0,) * 3, (255.0,) * 3, (192, 192), {})).graph
    kinds = {node.op_type for node in graph.node}
    assert not kinds & {"Pad", "PRelu"}


@pytest.mark.parametrize(("side", "near", "far"), [(3, 0, 1), (5, 1, 2)])
def test_same_padding_is_uneven(side, near, far):
    convolution = SameConv2d(2, 4, side, stride=2)
    x = torch.rand(1, 2, 10, 12)
    expected = F.conv2d(F.pad(x, (near, far, near, far)), convolution.weight, convolution.bias, stride=2)
    torch.testing.assert_close(convolution(x), expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_blocks_append_channels_of_zeros(stride):
    block = Block(3, 5, stride, lambda _: torch.nn.Identity())
    torch.nn.init.zeros_(block.pw.weight)
    torch.nn.init.zeros_(block.pw.bias)
    x = torch.rand(2, 3, 8, 8)
    shortcut = x if stride == 1 else F.max_pool2d(x, 2)
    torch.testing.assert_close(block(x), torch.cat([shortcut, torch.zeros_like(shortcut[:, :2])], 1))


def test_cells_go_row_by_row():
    maps = torch.arange(2 * 6 * 2 * 3).view(2, 6, 2, 3)
    found = cells(maps, 2)
    assert found.shape == (2, 18, 2)
    assert found[1, 7].tolist() == [maps[1, 2, 0, 2].item(), maps[1, 3, 0, 2].item()]  # row 0, column 2, second anchor


def square(turn, side=40.0, middle=(90.0, 110.0)):
    """A mesh whose four points 0..3 are the corners of a turned square: left, right, below."""
    angle = np.deg2rad(turn)
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * side
    return torch.from_numpy((corners @ axes + middle)[None]).float()


@pytest.mark.parametrize("turn", [0, 30, -100, 180])
def test_regions_lie_upright_about_their_points(turn):
    region = Region(range(4), (0, 1), iris=False)
    centre, axes = region.place(square(turn))
    np.testing.assert_allclose(centre[0, 0].numpy(), (90, 110), atol=1e-4)
    # A cell of the region is a sixteenth of one and a half sides.
    np.testing.assert_allclose(axes[0].norm(dim=1).numpy(), [40 * 1.5 / 16] * 2, rtol=1e-5)
    assert np.rad2deg(np.arctan2(*axes[0, 0].numpy()[::-1])) % 360 == pytest.approx(turn % 360, abs=1e-3)


def test_a_region_of_points_at_one_place_is_upright():
    region = Region(range(4), (0, 1), iris=False)
    centre, axes = region.place(torch.full((1, 4, 2), 7.0))
    assert centre.tolist() == [[[7.0, 7.0]]]
    assert axes.abs().max() == 0


@pytest.mark.parametrize("turn", [0, 60])
def test_regions_sample_the_map_where_they_lie(turn):
    """A map that says where it is: x in one channel and y in another."""
    region = Region(range(4), (0, 1), iris=False)
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    centre, axes = region.place(square(turn, 12, (24, 22)))
    places = region.grid @ axes + centre - 0.5
    found = region.cut(torch.stack([x, y])[None], places)
    np.testing.assert_allclose(found[0].flatten(1).T.numpy(), places[0].numpy(), atol=1e-3)


def test_regions_are_zero_outside_of_the_map():
    region = Region(range(4), (0, 1), iris=False)
    places = torch.tensor([-0.01, 0.0, 47.0, 47.01]).repeat(64)[None, :, None].expand(1, 256, 2)
    found = region.cut(torch.ones(1, 1, 48, 48), places).flatten()[:4]
    assert found.tolist() == [0, pytest.approx(1), pytest.approx(1), 0]


def test_attention_puts_every_part_in_its_place():
    network = made("face_mesh_attention")
    x = torch.rand(2, 3, 192, 192)
    mesh, (lips, left_eye, left_iris, right_eye, right_iris), flag = network.parts(x)
    points = network(x)[:, :-1].view(2, 478, 3)
    for index, part in ((LIPS, lips), (LEFT_EYE, left_eye), (RIGHT_EYE, right_eye)):
        torch.testing.assert_close(points[:, list(index), :2], part)
    torch.testing.assert_close(points[:, :468, 2], mesh[..., 2])
    others = sorted(set(range(468)) - {*LIPS, *LEFT_EYE, *RIGHT_EYE})
    torch.testing.assert_close(points[:, others], mesh[:, others])
    torch.testing.assert_close(points[:, 468:473, :2], left_iris)
    torch.testing.assert_close(points[:, 473:, :2], right_iris)
    torch.testing.assert_close(points[:, 470, 2], mesh[:, LEFT_EYE[:16], 2].mean(1))
    torch.testing.assert_close(points[:, 477, 2], mesh[:, RIGHT_EYE[:16], 2].mean(1))
    torch.testing.assert_close(network(x)[:, -1:], flag)
