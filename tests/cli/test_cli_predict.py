"""facelandmarks-predict: files written, exit codes, bad input."""

import json
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest
import skimage.data
from paths import DOCS

import facelandmarks as fl
from facelandmarks import _files as files
from facelandmarks import draw
from facelandmarks._files import distinct
from facelandmarks.cli.predict import main
from facelandmarks.weights.load import SCHEMA as CONFIG_SCHEMA
from facelandmarks.weights.manifest import ASSETS
from facelandmarks.zoo import MODELS
from facelandmarks.zoo.own import WEIGHTS, spec_to_dict

BOX = "180,91,264,175"
SCHEMA = json.loads((DOCS / "predictions.schema.json").read_text())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current folder, with pictures in another."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    face = skimage.data.astronaut()[30:240, 110:330]
    cv2.imwrite(str(pictures / "face.png"), face[..., ::-1])
    cv2.imwrite(str(pictures / "blank.png"), np.full((80, 90, 3), 127, np.uint8))
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    (pictures / "empty.png").write_bytes(b"")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def read(path):
    document = json.loads(Path(path).read_text())
    jsonschema.validate(document, SCHEMA)
    return document


def test_without_options_two_files_appear_in_the_current_folder(folder, capsys):
    assert main(["../pictures/face.png"]) == 0
    assert names(folder / "work") == ["face_landmarks.json", "face_landmarks.png"]
    assert len(names(folder / "pictures")) == 4
    out = capsys.readouterr().out
    assert "face.png: 1 face, 68 landmarks each" in out
    assert "face_landmarks.png" in out
    drawn = cv2.imread("face_landmarks.png")
    assert drawn.shape == (210, 220, 3)
    record = read("face_landmarks.json")["images"][0]
    assert (record["image"], record["model"], record["error"]) == ("../pictures/face.png", "compact_300w", None)
    expected = fl.load_model().predict("../pictures/face.png")
    np.testing.assert_allclose([f["points"] for f in record["faces"]], expected.points, atol=2e-3)


def test_nothing_is_overwritten_without_force(folder, capsys):
    Path("face_landmarks.json").write_text("mine")
    assert main(["../pictures/face.png"]) == 2
    assert Path("face_landmarks.json").read_text() == "mine"
    assert names(folder / "work") == ["face_landmarks.json"]
    assert "--force" in capsys.readouterr().err
    assert main(["../pictures/face.png", "--force"]) == 0
    assert read("face_landmarks.json")["images"][0]["faces"]


def test_an_input_is_never_an_output(folder, capsys):
    before = (folder / "pictures" / "face.png").read_bytes()
    assert main(["../pictures/face.png", "--draw", "../pictures/face.png", "--force"]) == 2
    assert "is an input" in capsys.readouterr().err
    assert (folder / "pictures" / "face.png").read_bytes() == before


def test_pictures_of_one_name_get_numbers(folder):
    other = folder / "other"
    other.mkdir()
    (other / "face.png").write_bytes((folder / "pictures" / "face.png").read_bytes())
    assert main(["../pictures/face.png", "../other/face.png", "--quiet"]) == 0
    assert names(folder / "work") == [f"face_landmarks{n}.{e}" for n in ("", "_2") for e in ("json", "png")]


def test_json_to_stdout_is_json_alone(folder, capsysbinary):
    assert main(["../pictures/face.png", "--bbox", "70,61,154,145", "--bbox", "60,55,160,150", "--json", "-"]) == 0
    captured = capsysbinary.readouterr()
    document = json.loads(captured.out)
    jsonschema.validate(document, SCHEMA)
    assert [face["box_score"] for face in document["images"][0]["faces"]] == [None, None]
    assert b"2 faces" in captured.err
    assert names(folder / "work") == []


def test_a_folder_of_drawings_is_made(folder):
    assert main(["../pictures/face.png", "../pictures/blank.png", "--draw", "out/drawn", "--json", "all.json"]) == 0
    assert names(folder / "work" / "out" / "drawn") == ["blank_landmarks.png", "face_landmarks.png"]
    assert len(read("all.json")["images"]) == 2


def test_no_face_is_done(folder, capsys):
    assert main(["../pictures/blank.png", "--json", "none.json"]) == 0
    assert "blank.png: no face found" in capsys.readouterr().out
    assert read("none.json")["images"][0]["faces"] == []


def test_one_bad_file_among_ten(folder, capsys):
    good = [f"../pictures/good{n}.png" for n in range(9)]
    for path in good:
        Path(path).write_bytes((folder / "pictures" / "blank.png").read_bytes())
    images = [*good[:4], "../pictures/broken.jpg", *good[4:]]
    assert main([*images, "--json", "all.json"]) == 1
    captured = capsys.readouterr()
    assert captured.out.count("no face found") == 9
    assert captured.err.count("error:") == 1
    assert "broken.jpg" in captured.err
    records = read("all.json")["images"]
    assert [record["image"] for record in records] == images
    assert [record["error"] is not None for record in records] == [i == 4 for i in range(10)]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "face.png: not enough memory for this image"),
        (cv2.error("no memory here\n"), "face.png: no memory here"),
    ],
)
def test_an_image_that_is_too_much_is_no_end_of_the_others(folder, monkeypatch, capsys, error, said):
    predict = fl.Model.predict

    def fail(model, image, *args, **options):
        if image.shape == (210, 220, 3):
            raise error
        return predict(model, image, *args, **options)

    monkeypatch.setattr(fl.Model, "predict", fail)
    images = [f"../pictures/{name}" for name in ("broken.jpg", "face.png", "blank.png")]
    record = {**spec_to_dict(MODELS["compact_300w"]), "name": "mine", "weights": WEIGHTS}
    Path("mine.json").write_text(json.dumps({"schema": CONFIG_SCHEMA, "model": record}))
    weights = str(ASSETS / "compact_300w.onnx")
    assert main([*images, "--model", "mine.json", "--weights", weights, "--json", "all.json", "--quiet"]) == 1
    assert capsys.readouterr().err.endswith(f"{said}\n")
    records = read("all.json")["images"]
    assert [(record["model"], record["error"] is None) for record in records] == [
        ("mine", False),
        ("mine", False),
        ("mine", True),
    ]


@pytest.mark.parametrize("name", ["broken.jpg", "empty.png", "missing.png"])
def test_nothing_is_written_when_nothing_could_be_done(folder, name, capsys):
    assert main([f"../pictures/{name}"]) == 4
    assert main([f"../pictures/{name}", "--json", "x.json", "--draw", "y.png"]) == 4
    assert names(folder / "work") == []
    assert capsys.readouterr().err.count("error:") == 2


@pytest.mark.parametrize("box", ["nan,0,9,9", "90,90,10,10", "5000,0,5010,9", "5,5,5,5"])
def test_impossible_boxes_are_wrong_usage(folder, box, capsys):
    assert main(["../pictures/face.png", f"--bbox={box}"]) == 2
    assert "box 0 of 1" in capsys.readouterr().err
    assert names(folder / "work") == []


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["a.png", "--bbox", "1,2,3"],
        ["a.png", "--bbox", "1,2,3,x"],
        ["a.png", "--threads", "0"],
        ["a.png", "--threads", "1025"],
        ["a.png", "--batch-size", "9223372036854775807"],
        ["a.png", "--frames", "9" * 5000],
        ["a.png", "--min-score", "7"],
        ["a.png", "--min-face", "0"],
        ["a.png", "--frobnicate"],
        ["a.png", "--rotations", "45"],
        ["a.png", "--rotations", "0,90,"],
        ["a.png", "--bbox", "1,2,3,4", "--box-convention", "mtcnn"],
        ["a.png", "--box-convention", "yunet"],
    ],
)
def test_wrong_words_are_refused_by_the_parser(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage: facelandmarks-predict" in capsys.readouterr().err


def test_options_that_do_not_go_together(folder, capsys):
    two = ["../pictures/face.png", "../pictures/blank.png"]
    assert main([*two, "--bbox", BOX]) == 2
    assert main([*two, "--draw", "one.png"]) == 2
    assert main([two[0], "--json", "no/such/folder.json"]) == 2
    assert main([two[0], "--model", "compact_300W"]) == 2
    assert main([two[0], "--device", "cuda:99"]) == 2
    err = capsys.readouterr().err
    for part in ("one image", "give a folder", "no such folder", "did you mean compact_300w", "cuda:99"):
        assert part in err
    assert names(folder / "work") == []


def test_given_boxes_may_be_of_another_convention(folder):
    box = (70.0, 40.0, 155.0, 150.0)
    words = ["../pictures/face.png", "--bbox", ",".join(map(str, box)), "--quiet", "--threads", "1", "--json"]
    assert main([*words, "own.json"]) == main([*words, "yunet.json", "--box-convention", "yunet"]) == 0
    own, yunet = (read(name)["images"][0]["faces"][0]["box"] for name in ("own.json", "yunet.json"))
    np.testing.assert_allclose(own, box)
    expected = fl.load_model(threads=1).predict("../pictures/face.png", box, box_convention="yunet")
    np.testing.assert_allclose(yunet, expected.boxes[0], atol=1e-3)
    assert np.abs(np.subtract(yunet, own)).max() > 10


def test_pictures_may_lie_on_their_side(folder):
    picture = cv2.imread("../pictures/face.png")
    cv2.imwrite("side.png", np.rot90(picture))
    assert main(["side.png", "--rotations", "0,90,180,270", "--json", "x.json", "--quiet", "--threads", "1"]) == 0
    faces = read("x.json")["images"][0]["faces"]
    upright = fl.load_model(threads=1).predict("../pictures/face.png").points[0]
    turned = np.stack([upright[:, 1], picture.shape[1] - 1 - upright[:, 0]], axis=1)  # a quarter counterclockwise
    assert len(faces) == 1
    np.testing.assert_allclose(faces[0]["points"], turned, atol=0.01)


def test_interruption_is_130_and_leaves_whole_files_only(folder, monkeypatch, capsys):
    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", interrupt)
    assert main(["../pictures/face.png"]) == 130
    assert names(folder / "work") == []
    assert "interrupted" in capsys.readouterr().err


def test_damaged_weights_are_3(folder, monkeypatch, capsys):
    from facelandmarks.weights import load

    monkeypatch.setattr(load, "ASSETS", folder)
    assert main(["../pictures/face.png"]) == 3
    assert "install the package again" in capsys.readouterr().err


def test_results_are_ordinary_files(folder):
    assert main(["../pictures/blank.png", "--json", "x.json"]) == 0
    Path("ordinary").write_text("")
    assert Path("x.json").stat().st_mode == Path("ordinary").stat().st_mode


def test_names_that_clash_are_told_apart():
    assert distinct(["a", "b", "a", "a", "a_2"]) == ["a", "b", "a_2", "a_3", "a_2_2"]


def test_own_weights_detector_and_offline(folder, capsys):
    own = Path(fl.__file__).parent / "assets" / "compact_300w.onnx"
    arguments = ["../pictures/face.png", "--json", "out.json", "--weights", str(own), "--detector", "compact"]
    assert main([*arguments, "--offline"]) == 0
    assert read("out.json")["images"][0]["detector"] == "compact"
    assert main([*arguments, "--force", "--bbox", "70,60,154,145"]) == 0
    assert read("out.json")["images"][0]["detector"] is None
    assert main([*arguments[:3], "--force", "--weights", "none.pth"]) == 3
    assert "none.pth" in capsys.readouterr().err
    assert main([*arguments[:3], "--force", "--offline", "--model", "hrnetv2_w18_wflw"]) == 3
    assert "facelandmarks-weights add" in capsys.readouterr().err


def test_the_line_names_every_file_that_is_written(folder, capsys):
    face = "../pictures/face.png"
    assert main([face, "--json", "a.json"]) == 0
    assert main([face, "--json", "b.json", "--draw", "b.jpg"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("-> a.json")
    assert second.endswith("-> b.jpg, b.json")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("https://example.com/a b.jpg", "download it first, and give the file: curl -LO 'https://example.com/a b.jpg'"),
        ("HTTP://example.com/clip.mp4", "curl -LO HTTP://example.com/clip.mp4"),
        ("rtsp://camera.local/1", "rtsp://camera.local/1 is an address; download it first, and give the file\n"),
        ("s3://bucket/a.jpg", "s3://bucket/a.jpg is an address"),
    ],
)  # fmt: skip
def test_an_address_is_wrong_usage_and_nothing_is_fetched(folder, word, said, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["../pictures/face.png", word])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err
    assert names(folder / "work") == []


def test_what_looks_like_an_address_may_be_a_file(folder):
    Path("http:").mkdir()
    Path("http:/a.png").write_bytes((folder / "pictures" / "blank.png").read_bytes())
    assert main(["http:/a.png", "--json", "x.json", "--quiet"]) == 0


def test_the_largest_faces_or_the_best_are_kept(folder):
    face = cv2.imread("../pictures/face.png")
    canvas = np.full((420, 520, 3), 127, np.uint8)
    canvas[:210, :220] = face
    canvas[250:376, 250:382] = cv2.resize(face, (132, 126), interpolation=cv2.INTER_AREA)
    cv2.imwrite("two.png", canvas)
    words = ["two.png", "--quiet", "--threads", "1", "--json"]
    assert main([*words, "all.json"]) == main([*words, "one.json", "--max-faces", "1"]) == 0
    assert main([*words, "large.json", "--largest"]) == main([*words, "2.json", "--largest", "--max-faces", "2"]) == 0
    everything, best, largest, two = (
        [face["box"] for face in read(name)["images"][0]["faces"]]
        for name in ("all.json", "one.json", "large.json", "2.json")
    )
    assert len(everything) == 2
    assert best == everything[:1]
    assert largest == [max(everything, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))]
    assert two == everything


def test_small_faces_are_left_out_and_doubted_ones_kept(folder, monkeypatch):
    monkeypatch.setattr("facelandmarks.model.confirmed", lambda faces, _: np.zeros(len(faces), bool))
    words = ["../pictures/face.png", "--quiet", "--threads", "1", "--force", "--json", "found.json"]
    for more, count in (([], 0), (["--no-confirm"], 1), (["--no-confirm", "--min-face", "0.9"], 0)):
        assert main([*words, *more]) == 0
        assert len(read("found.json")["images"][0]["faces"]) == count


def test_drawing_options_reach_the_drawing(folder):
    face = "../pictures/face.png"
    style = ["--color", "255,0,0", "--point-size", "3", "--indices", "--no-boxes", "--no-contours"]
    assert main([face, "--draw", "styled.png", "--quiet", *style]) == 0
    expected = fl.predict(face).draw(style=fl.Style("red", 3.0, boxes=False, contours=False, indices=True))
    np.testing.assert_array_equal(cv2.imread("styled.png")[..., ::-1], expected)


@pytest.mark.parametrize(
    "words", [["--color", "reddish"], ["--color", "1,2"], ["--point-size", "0"], ["--max-faces", "0"]]
)
def test_drawing_options_that_are_none_are_refused(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["a.png", *words])
    assert caught.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_show_opens_a_window_and_writes_nothing(folder, monkeypatch):
    shown = []
    monkeypatch.setattr(draw, "check_windows", lambda: None)
    monkeypatch.setattr(draw, "show_image", shown.append)
    assert main(["../pictures/face.png", "--show", "--no-boxes", "--quiet"]) == 0
    np.testing.assert_array_equal(shown[0], fl.predict("../pictures/face.png").draw(style=fl.Style(boxes=False)))
    assert names(folder / "work") == []


@pytest.mark.parametrize("word", ["../pictures/face.png", "../pictures/clip.mp4", "0"])
def test_without_a_screen_show_is_refused_before_anything_is_loaded(folder, word, monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(draw.sys, "platform", "linux")
    assert main([word, "--show", "--engine", "torch"]) == 2
    assert "no screen to open a window on" in capsys.readouterr().err
