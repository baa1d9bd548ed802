"""Many threads, forked and spawned processes give the numbers of one; what is broken off leaves whole files only."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from concurrency_cases import COUNT, Points, picture, predict
from miniature_releases import make_300w
from paths import HELPERS, ROOT
from torch.utils.data import DataLoader

import facelandmarks as fl


@pytest.fixture(scope="module")
def model():
    return fl.load_model(device="cpu")


@pytest.fixture(scope="module")
def alone(model):
    """What one thread gives."""
    return [predict(model, index) for index in range(COUNT)]


def same(results, wanted) -> None:
    """Equal but for the order of additions, which the number of threads of PyTorch changes."""
    assert len(results) == len(wanted)
    for result, expected in zip(results, wanted, strict=True):
        assert result.shape == expected.shape
        np.testing.assert_allclose(result, expected, rtol=0, atol=2e-3)  # px


def test_eight_threads(model, alone):
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda index: predict(model, index % COUNT), range(4 * COUNT)))
    same(results, 4 * alone)


def test_eight_threads_through_batches(model):
    images, boxes = zip(*map(picture, range(COUNT)), strict=True)
    wanted = model.predict_batch(images, boxes)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: model.predict_batch(images, boxes), range(8)))
    for result in results:
        same([faces.points for faces in result], [faces.points for faces in wanted])


def test_two_models_on_two_threads(model, alone):
    other = fl.load_model("hrnetv2_w18_wflw", weights=untrained("hrnetv2_w18_wflw"), device="cpu")
    image, box = picture(0)
    wanted = other.predict(image, box).points
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: [predict(model, index) for index in range(COUNT)])
        second = pool.submit(lambda: [other.predict(image, box).points for _ in range(4)])
        same(first.result(), alone)
        for points in second.result():
            # Untrained maps are nearly flat: a last bit may move a peak to the next pixel of a map, four of the crop.
            assert np.median(np.abs(points - wanted)) < 1e-3


def untrained(name):
    """Weights for a model whose published ones are not at hand."""
    import torch

    from facelandmarks.api import network_numbers
    from facelandmarks.nn.build import build_network
    from facelandmarks.zoo import get_spec

    torch.manual_seed(0)
    spec = get_spec(name)
    return build_network(spec.network, network_numbers(spec)).state_dict()


@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_workers_of_a_data_loader(context, model, alone):
    """Forked ones use the model of their parent, which has predicted before; spawned ones load their own."""
    data = Points(model if context == "fork" else None)
    loader = DataLoader(data, batch_size=None, num_workers=2, multiprocessing_context=context, timeout=240)
    same([np.asarray(points) for points in loader], alone)


@pytest.mark.parametrize("engine", ["torch", "onnxruntime", "openvino"])
def test_a_model_is_sent_to_spawned_processes(engine):
    """Pickled, with its weights, and after it has predicted: locks and detectors stay where they are."""
    if engine != "torch":
        pytest.importorskip(engine)
        pytest.importorskip("onnx")
    model = fl.load_model(device="cpu", engine=engine)
    wanted = predict(model, 0)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        same([pool.submit(predict, model, 0).result(timeout=240)], [wanted])


FORK_AFTER_THREADS = """
import multiprocessing, sys
import numpy as np
import torch
from concurrency_cases import predict
import facelandmarks as fl

torch.set_num_threads(2)
model = fl.load_model(device="cpu", threads={threads})
wanted = predict(model, 0)
context = multiprocessing.get_context("fork")
queue = context.Queue()
child = context.Process(target=lambda: queue.put(predict(model, 0)), daemon=True)
child.start()
difference = np.abs(queue.get(timeout=120) - wanted).max()
print("difference", difference)
sys.exit(int(difference > 2e-3))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("threads", [None, 2])
def test_a_child_forked_after_the_parent_used_threads(threads):
    """OpenMP's threads are gone in the child; PyTorch alone would wait for them for ever."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(HELPERS)])}
    environment.pop("OMP_NUM_THREADS", None)
    command = [sys.executable, "-W", "ignore", "-c", FORK_AFTER_THREADS.format(threads=threads)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=400)
    assert result.returncode == 0, result.stderr


# --- broken off -----------------------------------------------------------------------------------------------------


def start(*command, cwd):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, command)],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, process) -> None:
    """Until it holds; a process that ends before is an error."""
    until = time.monotonic() + 240
    while not condition():
        if process.poll() is not None or time.monotonic() > until:
            pytest.fail(f"ended with {process.poll()}: {process.communicate()[1]}")
        time.sleep(0.01)


def test_an_interrupted_prediction_leaves_whole_files_only(tmp_path):
    count = 300  # enough that a busy machine does not finish them before the signal comes
    for index in range(count):
        cv2.imwrite(str(tmp_path / f"{index:03d}.jpg"), picture(index)[0])
    images = [f"{index:03d}.jpg" for index in range(count)]
    out = tmp_path / "out"
    out.mkdir()
    process = start("facelandmarks.cli.predict", *(f"../{name}" for name in images), cwd=out)
    wait_for(lambda: len(list(out.glob("*.json"))) >= 3, process)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=240)[1]
    assert process.returncode == 130
    assert "interrupted" in error
    assert "Traceback" not in error
    documents = sorted(out.glob("*.json"))
    assert 3 <= len(documents) < count
    assert all(json.loads(path.read_text())["images"] for path in documents)
    assert all(cv2.imread(str(path)) is not None for path in out.glob("*.png"))
    assert [path for path in out.iterdir() if path.suffix not in (".json", ".png")] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_evaluation_that_was_broken_off_goes_on(number, tmp_path):
    make_300w(tmp_path / "data")
    options = ["--dataset", "300w", "--data-root", tmp_path / "data", "--model", "compact_300w", "--allow-partial"]
    options += ["--device", "cpu", "--quiet", "--batch-size", "1", "--workers", "1", "--subset", "full"]
    command = ["facelandmarks.cli.evaluate", *options, "--resume", tmp_path / "kept"]
    process = start(*command, "--json", tmp_path / "broken.json", cwd=tmp_path)
    wait_for(lambda: lines(tmp_path / "kept") >= 2, process)
    process.send_signal(number)
    process.communicate(timeout=240)
    assert process.returncode in (130, -signal.SIGINT, 0)  # 130 to a shell; it may have been done already
    kept = lines(tmp_path / "kept")
    assert process.returncode == 0 or not (tmp_path / "broken.json").exists()
    for report, extra in (("resumed.json", ["--resume", tmp_path / "kept"]), ("fresh.json", [])):
        again = start("facelandmarks.cli.evaluate", *options, *extra, "--json", tmp_path / report, cwd=tmp_path)
        error = again.communicate(timeout=240)[1]
        assert again.returncode == 0, error
    assert lines(tmp_path / "kept") >= kept
    resumed, fresh = (json.loads((tmp_path / name).read_text()) for name in ("resumed.json", "fresh.json"))
    assert resumed["rows"][0]["cells"] == fresh["rows"][0]["cells"]


def lines(folder) -> int:
    """Whole lines of all files of a folder."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("*")) if folder.is_dir() else 0
