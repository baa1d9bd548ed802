"""What holds for every engine, and what the others than PyTorch add: graphs that are built once and kept."""

import hashlib
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import skimage.data
import torch
from paths import ROOT

import facelandmarks as fl
from facelandmarks.detection import load_detector
from facelandmarks.engines import choose
from facelandmarks.engines import openvino as openvino_engine
from facelandmarks.engines.base import EngineInfo
from facelandmarks.engines.choose import RECORDS, EngineSettings, choose_engine, make_engine
from facelandmarks.engines.graph import Source, obtain_graph
from facelandmarks.nn.build import build_network
from facelandmarks.stream import PerProcess
from facelandmarks.weights.cache import Place
from facelandmarks.weights.load import Weights
from facelandmarks.weights.manifest import ASSETS, load_manifest

GRAPHS = ("onnxruntime", "openvino")
FACE = (180.0, 91.0, 264.0, 175.0)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="module")
def photo():
    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def models(cache):
    return {name: fl.load_model(engine=name, device="cpu", cache_dir=cache) for name in RECORDS}


@pytest.fixture(scope="module")
def crops(models, photo):
    """Twelve different views of faces and no faces."""
    shifts = np.random.default_rng(0).uniform(-40, 40, (12, 4))
    return models["torch"].prepare(photo, np.array(FACE) + shifts)


@pytest.mark.parametrize("name", GRAPHS)
def test_agrees_with_torch(models, crops, name):
    expected = models["torch"].decode(models["torch"].forward(crops), crops)
    found = models[name].decode(models[name].forward(crops), crops)
    np.testing.assert_allclose(found.points, expected.points, atol=0.01)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


@pytest.mark.parametrize("name", RECORDS)
def test_a_face_does_not_depend_on_its_neighbours(models, crops, name):
    model = models[name]
    together = model.decode(model.forward(crops), crops).points
    for n in (0, 5):
        alone = crops[n : n + 1]
        np.testing.assert_allclose(model.decode(model.forward(alone), alone).points[0], together[n], atol=1e-3)


@pytest.mark.parametrize("name", RECORDS)
def test_tells_what_runs(models, name):
    info = models[name].engine_info()
    assert (info.engine, info.device, info.dtype) == (name, "cpu", "float32")
    assert info.threads >= 1
    assert f"{name} float32 on cpu" in repr(models[name])


@pytest.mark.parametrize("name", RECORDS)
def test_threads_are_obeyed(cache, name):
    assert fl.load_model(engine=name, device="cpu", threads=1, cache_dir=cache).engine_info().threads == 1


@pytest.mark.parametrize("name", RECORDS)
def test_many_threads_get_what_one_gets(models, photo, name):
    expected = models[name].predict(photo, FACE).points
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: models[name].predict(photo, FACE).points, range(24)):
            np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_detector_runs_in_the_same_engine(models, photo, name):
    found, expected = models[name].predict(photo), models["torch"].predict(photo)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.05)
    np.testing.assert_allclose(found.points, expected.points, atol=0.05)


def in_a_fork(task):
    """What a task gives in a forked process, or its error."""

    def send():
        try:
            ours.send(task())
        except fl.FaceLandmarksError as error:
            ours.send(error)

    context = multiprocessing.get_context("fork")
    answer, ours = context.Pipe(duplex=False)
    child = context.Process(target=send)
    child.start()
    try:
        assert answer.poll(60), "the child waits for ever"
        return answer.recv()
    finally:
        child.kill()
        child.join()


def test_onnxruntime_survives_a_fork(models, photo):
    """Its thread pool does not: a child that used its parent's would wait for ever."""
    model = models["onnxruntime"]
    found = in_a_fork(lambda: model.predict(photo, FACE).points)
    np.testing.assert_allclose(found, model.predict(photo, FACE).points, atol=1e-3)


def test_openvino_says_that_it_does_not_survive_a_fork(models, photo):
    found = in_a_fork(lambda: models["openvino"].predict(photo, FACE).points)
    assert isinstance(found, fl.DeviceError)
    assert "spawn" in str(found)


def test_the_benchmark_knows_the_engines(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import bench

    assert set(bench.engines()) == set(RECORDS)


def bench_gpu(*words):
    command = [sys.executable, ROOT / "benchmarks" / "bench_gpu.py", "--models", "compact_300w", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_the_benchmark_for_gpus_without_one():
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    done = bench_gpu()
    assert done.returncode == 1
    assert "device 'cuda' cannot be used here" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_benchmark_for_gpus_tried_on_a_cpu(tmp_path):
    done = bench_gpu("--device", "cpu", "--counts", "1", "--seconds", "0", "--json", tmp_path / "rows.json")
    assert done.returncode == 0, done.stderr
    single, half = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert (single["dtype"], half["dtype"]) == ("float32", "float16")
    assert single["px"] == 0
    assert 0 < half["px"] < 0.06  # as in docs/engines.md
    for row in (single, half):
        np.testing.assert_allclose(row["ratio"], row["whole"] / row["network"])


SIGNALS = """
import signal, sys, threading
import numpy as np
import facelandmarks as fl

seen = []
signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))


def load():
    models.append(fl.load_model(engine=sys.argv[1], device="cpu"))
    models[-1].predict(np.zeros((64, 64, 3), np.uint8), (8, 8, 56, 56))


def load_in_a_thread():
    thread = threading.Thread(target=load)
    thread.start()
    thread.join()


models = []
load()
load()
models.clear()  # in the order in which they were made
load_in_a_thread()
load()
thread = threading.Thread(target=models.clear)
thread.start()
thread.join()
for _ in range(3):
    signal.raise_signal(signal.SIGUSR1)
assert len(seen) == 3
"""


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signals here")
@pytest.mark.parametrize("name", GRAPHS)
def test_signals_are_handled_after_models_are_gone(models, cache, name):
    """OpenVINO puts the stack of signal handlers elsewhere; a handler in Python on one that is gone is a SIGSEGV."""
    done = subprocess.run(
        [sys.executable, "-c", SIGNALS, name],
        check=False,
        cwd=ROOT,
        env={**os.environ, "FACELANDMARKS_CACHE": str(cache)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.returncode} {done.stderr}"


@pytest.mark.parametrize("name", GRAPHS)
def test_can_be_pickled(models, crops, name):
    engine = pickle.loads(pickle.dumps(models[name].engine))
    assert engine.info == models[name].engine_info()
    np.testing.assert_array_equal(engine.run(crops.pixels[:1]), models[name].engine.run(crops.pixels[:1]))


COMMAND = """
import sys
import facelandmarks as fl
from facelandmarks.cli.predict import main
code = main([sys.argv[2], "--json", "-", "--engine", sys.argv[1], "--device", "cpu"])
assert "torch" not in sys.modules
sys.exit(code)
"""


@pytest.mark.parametrize("name", GRAPHS)
def test_built_in_models_do_not_import_torch(cache, photo, name, tmp_path, monkeypatch):
    import cv2

    cv2.imwrite(str(tmp_path / "photo.png"), photo[..., ::-1])
    monkeypatch.setenv("FACELANDMARKS_CACHE", str(cache))
    subprocess.run([sys.executable, "-c", COMMAND, name, tmp_path / "photo.png"], check=True, capture_output=True)


def test_openvino_rounds_no_activations_of_eight_bit_models(models, cache):
    """Left to itself it does: here points move by 0.03 px, scores by 0.09, outputs of the detector by 0.015."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 128, 128, 3), dtype=np.uint8)
    expected, found = (models[name].engine.run(pixels) for name in GRAPHS)
    np.testing.assert_allclose(found[..., :2] * 128, expected[..., :2] * 128, atol=1e-3)
    np.testing.assert_allclose(found[..., 2], expected[..., 2], atol=1e-4)
    expected, found = (load_detector("compact", engine=name, cache_dir=cache).engine.run(pixels) for name in GRAPHS)
    np.testing.assert_allclose(found, expected, atol=1e-3)


SMALL = {"stem": (4, 4), "widths": (8, 8), "blocks": (1, 1), "neck": 4}
GREY = (127.5, 127.5, 127.5)


@pytest.fixture(scope="module")
def published():
    """Give the source of a small network as published models have it: a known file of weights, but no graph."""
    tensors = {key: value.numpy() for key, value in build_network("compact_detector", SMALL).state_dict().items()}

    def source_in(folder, state=lambda: tensors):
        weights = Weights(state, "0" * 64, folder)
        return Source("own", "compact_detector", SMALL, GREY, GREY, (64, 64), weights, "own")

    return source_in


NOISE = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)


def output_of(source, engine="onnxruntime"):
    return make_engine(source, engine, EngineSettings(device="cpu")).run(NOISE)


def graphs(folder):
    return sorted(folder.glob("*.onnx"))


def never():
    pytest.fail("built again")


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_is_built_once_and_kept(tmp_path, published, name):
    expected = output_of(published(tmp_path), name)
    assert len(graphs(tmp_path)) == 1
    np.testing.assert_array_equal(output_of(published(tmp_path, never), name), expected)
    np.testing.assert_allclose(output_of(published(None), "torch"), expected, atol=1e-5)


def test_loads_that_meet_build_one_graph(tmp_path, published):
    built = []

    def state():
        built.append(True)
        return published(None).weights.state()

    with ThreadPoolExecutor(4) as pool:
        files = set(pool.map(lambda _: obtain_graph(published(tmp_path, state)), range(4)))
    assert len(built) == 1
    assert sorted(files) == graphs(tmp_path)


KEPT = """
import sys
from pathlib import Path
from facelandmarks.engines.choose import EngineSettings, make_engine
from facelandmarks.engines.graph import Source
from facelandmarks.weights.load import Weights

numbers = {"stem": (4, 4), "widths": (8, 8), "blocks": (1, 1), "neck": 4}
grey = (127.5, 127.5, 127.5)
weights = Weights(None, "0" * 64, Path(sys.argv[2]))
source = Source("own", "compact_detector", numbers, grey, grey, (64, 64), weights, "own")
make_engine(source, sys.argv[1], EngineSettings(device="cpu"))
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize("name", GRAPHS)
def test_with_a_kept_graph_torch_is_not_imported(tmp_path, published, name):
    obtain_graph(published(tmp_path))
    subprocess.run([sys.executable, "-c", KEPT, name, tmp_path], check=True, cwd=ROOT, capture_output=True)


@pytest.mark.parametrize("damage", ["content", "cut", "gone", "no pin"])
def test_a_damaged_graph_is_built_anew(tmp_path, published, damage):
    expected = output_of(published(tmp_path))
    (graph,) = graphs(tmp_path)
    good = graph.read_bytes()
    if damage == "content":
        graph.write_bytes(good[: len(good) // 2] + b"?" + good[len(good) // 2 + 1 :])
    elif damage == "cut":
        graph.write_bytes(good[:-1])
    elif damage == "gone":
        graph.unlink()
    else:
        graph.with_name(f"{graph.name}.pin.json").unlink()
    np.testing.assert_array_equal(output_of(published(tmp_path)), expected)
    assert graph.read_bytes() == good


def test_a_folder_that_cannot_be_written_to(tmp_path, published):
    (tmp_path / "file").touch()
    expected = output_of(published(None))
    with pytest.warns(UserWarning, match=r"file/cache cannot be written to.*FACELANDMARKS_CACHE") as caught:
        found = [output_of(published(tmp_path / "file" / "cache")) for _ in range(3)]
    assert len(caught) == 1
    for output in found:
        np.testing.assert_array_equal(output, expected)


def test_weights_that_a_user_brings_leave_nothing_behind(tmp_path, crops, models):
    state = {"state_dict": _state("compact_300w.onnx")}
    model = fl.load_model(engine="onnxruntime", device="cpu", weights=state, cache_dir=tmp_path)
    np.testing.assert_array_equal(model.forward(crops), models["onnxruntime"].forward(crops))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", RECORDS)
def test_the_digest_of_the_weights_is_known(models, name):
    assert models[name].engine_info().weights == load_manifest().files["compact_300w.onnx"].sha256


def test_the_digest_of_a_file_that_a_user_brings(tmp_path):
    own, cache = tmp_path / "own.onnx", tmp_path / "cache"
    own.write_bytes((ASSETS / "compact_300w.onnx").read_bytes())
    model = fl.load_model(engine="onnxruntime", device="cpu", weights=own, cache_dir=cache)
    assert model.engine_info().weights == hashlib.sha256(own.read_bytes()).hexdigest()
    assert not cache.exists()  # no graph is kept
    tensors = fl.load_model(engine="torch", device="cpu", weights=_state("compact_300w.onnx"), cache_dir=cache)
    assert tensors.engine_info().weights is None


def test_a_file_of_weights_that_is_missing(tmp_path):
    with pytest.raises(fl.CheckpointError, match=r"gone\.onnx"):
        fl.load_model(device="cpu", weights=tmp_path / "gone.onnx")


TELEMETRY = """
import os
import facelandmarks as fl

fl.load_model(engine="onnxruntime", device="cpu", cache_dir=os.environ["HOME"])
print(os.environ["ORT_DISABLE_TELEMETRY"])
"""


@pytest.mark.parametrize("own", [None, "1"])
def test_onnxruntime_sends_nothing_home(tmp_path, own):
    """ONNX Runtime from 1.29 on writes to the home folder and resolves a host, unless told not to, or in a CI."""
    env = {key: value for key, value in os.environ.items() if key not in ("CI", "ORT_DISABLE_TELEMETRY")}
    env |= {"HOME": str(tmp_path), **({"ORT_DISABLE_TELEMETRY": own} if own else {})}
    env.pop("XDG_CACHE_HOME", None)
    done = subprocess.run(
        [sys.executable, "-c", TELEMETRY], check=True, cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.stdout.split() == ["1"]
    assert not [path for path in tmp_path.rglob("*") if "microsoft" in path.name.lower()]


def _state(name):
    from facelandmarks.weights.load import find_weights

    return find_weights(name).state()


def test_a_graph_goes_when_its_weights_go(tmp_path, published):
    obtain_graph(published(tmp_path))
    assert len(graphs(tmp_path)) == 1
    assert set(graphs(tmp_path)) <= set(Place(tmp_path, "own.pth").belongings())


@pytest.mark.parametrize("name", GRAPHS)
def test_an_engine_that_is_not_installed_names_its_extra(cache, monkeypatch, name):
    # This process may have a core already.
    monkeypatch.setattr(openvino_engine, "_CORE", PerProcess(lambda: openvino_engine.import_openvino().Core()))
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(fl.MissingDependencyError, match=rf"pip install .*{name}"):
        fl.load_model(engine=name, cache_dir=cache)


def test_without_onnx_no_graph_can_be_built(tmp_path, published, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(fl.MissingDependencyError, match="pip install onnx"):
        obtain_graph(published(tmp_path))


@pytest.mark.parametrize("device", ["cuda:x", "mps", "nowhere", "cpu:7"])
@pytest.mark.parametrize("name", GRAPHS)
def test_a_device_that_is_not_there(cache, name, device):
    with pytest.raises(fl.DeviceError, match=device.split(":")[0]):
        fl.load_model(engine=name, device=device, cache_dir=cache)


def test_onnxruntime_on_cuda_is_no_silent_run_on_the_cpu(cache):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this build has CUDA")
    with pytest.raises(fl.DeviceError, match="CUDAExecutionProvider"):
        fl.load_model(engine="onnxruntime", device="cuda", cache_dir=cache)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_onnxruntime_is_float32_only(dtype):
    with pytest.raises(fl.InvalidOptionError, match="float32 only"):
        fl.load_model(engine="onnxruntime", dtype=dtype)


def test_openvino_refuses_arithmetic_that_the_processor_lacks(cache):
    import openvino

    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if "BF16" in able:
        assert fl.load_model(engine="openvino", dtype="bfloat16", cache_dir=cache).engine_info().dtype == "bfloat16"
    else:
        with pytest.raises(fl.InvalidOptionError, match="no arithmetic for bfloat16"):
            fl.load_model(engine="openvino", dtype="bfloat16", cache_dir=cache)


def test_names_of_engines_and_number_types():
    with pytest.raises(fl.InvalidOptionError, match="engine must be one of auto, onnxruntime, openvino, torch"):
        fl.load_model(engine="tensorrt")
    with pytest.raises(fl.InvalidOptionError, match="dtype must be one of"):
        fl.load_model(dtype="int4")


@pytest.fixture
def a_plain_machine(monkeypatch):
    """No variable, no GPU, nothing but PyTorch; returns the set of what else is installed."""
    monkeypatch.delenv(choose.VARIABLE)
    monkeypatch.setattr(choose, "_may_have_gpu", lambda: False)
    installed = {"torch"}
    monkeypatch.setattr(choose, "find_spec", lambda name: name in installed or None)
    return installed


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        ((), "torch"),
        (("onnxruntime",), "onnxruntime"),
        (("openvino",), "openvino"),
        (("onnxruntime", "openvino"), "onnxruntime"),
    ],
)
def test_auto_takes_what_is_installed(a_plain_machine, packages, expected):
    a_plain_machine.update(packages)
    assert choose_engine("auto", EngineSettings("auto", "float32")) == expected
    assert choose_engine("auto", EngineSettings("cpu", "float32")) == expected
    assert choose_engine("auto", EngineSettings("cuda", "float32")) == "torch"
    assert choose_engine("auto", EngineSettings("cpu", "bfloat16")) == "torch"


def test_auto_leaves_a_gpu_to_torch(a_plain_machine, monkeypatch):
    a_plain_machine.add("openvino")
    monkeypatch.setattr(choose, "_may_have_gpu", lambda: True)
    assert choose_engine("auto", EngineSettings("auto", "float32")) == "torch"
    assert choose_engine("auto", EngineSettings("auto", "float32"), built_in=True) == "openvino"
    assert choose_engine("auto", EngineSettings("cpu", "float32")) == "openvino"


def test_auto_follows_the_environment(a_plain_machine, monkeypatch):
    monkeypatch.setenv(choose.VARIABLE, "onnxruntime")
    assert choose_engine("auto", EngineSettings("auto", "float32")) == "onnxruntime"
    assert choose_engine("torch", EngineSettings("auto", "float32")) == "torch"
    monkeypatch.setenv(choose.VARIABLE, "fastest")
    with pytest.raises(fl.InvalidOptionError, match="fastest"):
        choose_engine("auto", EngineSettings("auto", "float32"))


@pytest.mark.parametrize("wish", ["compile", "cuda_graphs"])
def test_what_only_torch_has(a_plain_machine, wish):
    a_plain_machine.add("openvino")
    settings = EngineSettings(**{wish: True})
    assert choose_engine("auto", settings) == "torch"
    with pytest.raises(fl.InvalidOptionError, match=r"compile and cuda_graphs.*'openvino'"):
        choose_engine("openvino", settings)


def test_less_than_one_thread():
    for threads in (0, -1, 10**9, 1.5, "2", float("nan")):
        with pytest.raises(fl.InvalidOptionError, match="threads must be"):
            fl.load_model(threads=threads)


@pytest.mark.parametrize(
    ("device", "noted"), [("cpu", False), ("CPU", False), ("cuda:0", True), ("mps", True), ("GPU.0", True)]
)
def test_what_was_never_run_is_said(device, noted):
    note = EngineInfo("torch", "2", device, "float32", 1).note
    assert (note is not None and "not yet run on a GPU" in note) == noted


def test_a_device_that_does_not_exist_is_answered_with_those_that_do(cache):
    with pytest.raises(fl.DeviceError, match=r"^no device 'gpu'; there are: auto, cpu, cuda, mps, and cuda:1"):
        fl.load_model(engine="torch", device="gpu", cache_dir=cache)


@pytest.mark.parametrize(
    "options",
    [
        {"name": None}, {"name": 5}, {"name": b"compact_300w"}, {"name": ""}, {"name": ["compact_300w"]},
        {"weights": 5}, {"weights": torch.nn.Linear(2, 2)}, {"scheme": 5}, {"scheme": ["ibug68"]},
        {"decode": ["points"]}, {"variant": ["mmpose0x"]}, {"flip_test": "no"}, {"engine": None},
        {"dtype": torch.float32}, {"device": None}, {"device": 0},
    ],
)  # fmt: skip
def test_options_of_another_kind_are_our_errors(options):
    with pytest.raises(fl.FaceLandmarksError):
        fl.load_model(**options)


@pytest.mark.parametrize("device", [torch.device("cpu"), "cpu:0"])
def test_the_cpu_by_its_other_names(device):
    assert fl.load_model(device=device, threads=np.int64(1)).engine_info().device == "cpu"
