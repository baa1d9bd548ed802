"""Many pictures: which ones, their rows, files of rows, and runs that were broken off."""

import codecs
import importlib.util
import json
import os
import sys
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from bulk_cases import BROKEN, key, make_pictures, read_csv, read_jsonl

import facelandmarks as fl
from facelandmarks._files import Journal, is_many
from facelandmarks.bulk import (
    Find,
    RayPredictor,
    draw_images,
    find_images,
    predict_batches,
    predict_rows,
    predict_to_file,
)
from facelandmarks.bulk.run import journal_path
from facelandmarks.detection.base import Detections
from facelandmarks.errors import InvalidBoxError, InvalidImageError, InvalidOptionError, MissingDependencyError
from facelandmarks.model import Model
from facelandmarks.results import Landmarks, image_record

needs_pyarrow = pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed")


@pytest.fixture(scope="module")
def model():
    return fl.load_model(threads=1)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return make_pictures(tmp_path_factory.mktemp("bulk") / "pictures", 20)


@pytest.fixture(scope="module")
def rows(model, pictures):
    return list(predict_rows(model, pictures, batch_size=6, workers=2))


def test_a_folder_is_its_pictures_by_name_and_a_list_its_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.JPG", "a.png", "notes.txt", "Thumbs.db", ".hidden.jpg", "sub/z.webp", "sub/.git/x.png", "[1].png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    assert find_images(["in"]) == ["in/[1].png", "in/a.png", "in/b.JPG", "in/sub/z.webp"]
    assert find_images(["in/*.png", "in/a.png"]) == ["in/[1].png", "in/a.png", "in/a.png"]
    assert find_images([Path("in/**/z.*")]) == ["in/sub/z.webp"]
    assert find_images(["in/[1].png"]) == ["in/[1].png"]
    Path("list.txt").write_text("﻿in/a.png\n\nno such.jpg\r\nin/a.png", encoding="utf-8")
    assert find_images(["list.txt"]) == ["in/a.png", "no such.jpg", "in/a.png"]
    assert [is_many(name) for name in ("in", "in/*.png", "l.txt", "in/a.png", "in/[1].png", "no.jpg")] == [
        *(True, True, True),
        *(False, False, False),
    ]


MARKS = {
    "utf-8": b"", "utf-8-sig": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE, "utf-32-be": codecs.BOM_UTF32_BE,
}  # fmt: skip


@pytest.mark.parametrize("encoding", MARKS)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_lists_of_windows_and_of_editors(tmp_path, encoding, ending):
    lines = [
        "1.jpg",
        '"C:\\My Pictures\\2.jpg"',
        "  3.jpg\t",
        "",
        "'it is 4.jpg'",
        ' "5.jpg" ',
        "żółć 6.jpg",
        "don't 7.jpg",
    ]
    text = ending.join(lines) + ending
    path = tmp_path / "list.txt"
    path.write_bytes(MARKS[encoding] + text.encode(encoding.removesuffix("-sig")))
    expected = ["1.jpg", "C:\\My Pictures\\2.jpg", "3.jpg", "it is 4.jpg", "5.jpg", "żółć 6.jpg", "don't 7.jpg"]
    assert find_images([path]) == expected


def test_the_list_of_powershell(shared):
    assert find_images([shared / "data" / "cases" / "list16.txt"]) == ["a[1].jpg", "100%d.jpg"]


def test_quotes_and_blanks_that_belong_to_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("'quoted.jpg'", " blank.jpg"):
        Path(name).touch()
    Path("list.txt").write_bytes(b"'quoted.jpg'\n blank.jpg\n'other.jpg'\nbytes \xff.jpg\n")
    assert find_images(["list.txt"]) == ["'quoted.jpg'", " blank.jpg", "other.jpg", os.fsdecode(b"bytes \xff.jpg")]


def test_a_list_that_is_no_text_is_named(tmp_path):
    (tmp_path / "list.txt").write_bytes(codecs.BOM_UTF16_LE + b"1\0.")
    with pytest.raises(InvalidImageError, match=r"cannot read the list .*list\.txt"):
        find_images([tmp_path / "list.txt"])


@pytest.mark.parametrize("name", ["none/*.jpg", "none.txt", "empty", "empty.txt"])
def test_inputs_without_a_picture_are_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("empty.txt").write_text("\n")
    with pytest.raises(InvalidImageError, match=r"list|no images"):
        find_images([name])


def test_rows_are_in_the_order_of_the_pictures_and_none_is_missing(rows, pictures):
    assert [image for image, _ in groupby(row["image"] for row in rows)] == pictures
    status = {row["image"]: row["status"] for row in rows}
    assert {Path(image).name for image, found in status.items() if found == "failed"} == set(BROKEN)
    assert sum(found == "no_face" for found in status.values()) == 4
    for row in rows:
        assert (row["error"] is not None) == (row["status"] == "failed")
        assert (row["face"] is None) == (row["points"] is None) == (row["status"] != "ok")
        assert (row["width"] is None) == (row["status"] == "failed")


def test_rows_are_what_predict_finds(model, rows, pictures):
    for image, group in groupby(rows, key=lambda row: row["image"]):
        of_image = list(group)
        here = [row for row in of_image if row["status"] == "ok"]
        if Path(image).name in BROKEN:
            continue
        expected = model.predict(image)
        found = Landmarks.from_dict({**of_image[0], "faces": here})
        np.testing.assert_allclose(found.points, expected.points, atol=2e-3)
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)
        np.testing.assert_allclose(found.box_scores, expected.box_scores, atol=1e-4)
        assert [row["face"] for row in here] == list(range(len(expected)))


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_batches_change_no_row(model, rows, pictures, batch_size):
    found = list(predict_rows(model, iter(pictures), batch_size=batch_size, workers=3))
    assert [key(row) for row in found] == [key(row) for row in rows]
    for one, other in zip(found, rows, strict=True):
        if one["points"]:
            np.testing.assert_allclose(one["points"], other["points"], atol=2e-3)


def test_no_more_than_three_batches_are_taken_ahead(model, pictures):
    taken = []
    batches = predict_batches(model, (taken.append(p) or p for p in pictures), batch_size=2, workers=2)
    assert len(next(batches)) == 2
    assert len(taken) == 2 + 3 * 2
    batches.close()


def test_pictures_that_fail_in_any_stage_become_rows(pictures):
    class Failing:
        name, convention = "failing", "tight"
        errors = iter([MemoryError(), OSError("no more"), InvalidImageError("strange")])

        def detect(self, image, *, min_score=None):
            raise next(self.errors)

    good = [picture for picture in pictures if "p00" in picture][:3]
    found = list(predict_rows(fl.load_model(), good, Find(Failing()), workers=1))
    assert [row["error"] for row in found] == ["not enough memory for this image", "no more", "strange"]


def test_crowds_are_decoded_in_parts(pictures):
    class Crowd:
        name, convention = "crowd", "compact"

        def detect(self, image, *, min_score=None):
            boxes = np.tile(np.array([[5, 5, 50, 50]], np.float32), (70, 1))
            return Detections(boxes, np.linspace(1, 0.5, 70).astype(np.float32))

    good = [picture for picture in pictures if picture.endswith(("p000.png", "p002.png"))]
    found = list(predict_rows(fl.load_model(), good, Find(Crowd())))
    assert [row["face"] for row in found] == [*range(70), *range(70)]
    assert len({json.dumps(row["points"]) for row in found[:64]}) == 1


def test_a_model_that_needs_boxes_is_refused_at_once(model, pictures, monkeypatch):
    monkeypatch.setattr(model, "spec", type("Spec", (), {"box_convention": "clothes", "name": "fashion"}))
    with pytest.raises(InvalidBoxError, match="fashion needs boxes"):
        predict_batches(model, pictures)


ENTRIES = {
    "find_images": lambda _model, images, _place, **_: find_images(images),
    "predict_rows": lambda model, images, _place, **options: list(predict_rows(model, images, **options)),
    "predict_to_file": lambda model, images, place, **options: predict_to_file(
        model, images, place / "x.jsonl", **options
    ),
    "draw_images": lambda model, images, place, **options: draw_images(model, images, place / "new", **options),
}
GREY = np.full((3, 8, 3), 127, np.uint8)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
@pytest.mark.parametrize(
    ("images", "why"),
    [
        ("ab", r"give a list, \['ab'\]"),
        (Path("a.png"), r"give a list, \[.*Path\('a.png'\)\]"),
        (b"ab", "bytes: give a list"),
        (GREY, "ndarray: give a list"),
        (np.array("a.png"), "ndarray: give a list"),
        (None, "NoneType: give a list"),
        ([GREY], "paths of files; got an object of type ndarray"),
        ([b"a.png"], "paths of files; got an object of type bytes"),
    ],
)
def test_what_is_no_list_of_paths_is_refused(model, tmp_path, entry, images, why):
    with pytest.raises(InvalidOptionError, match=why):
        entry(model, images, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("entry", list(ENTRIES.values())[1:], ids=list(ENTRIES)[1:])
@pytest.mark.parametrize("option", ["batch_size", "workers"])
@pytest.mark.parametrize("value", [0, -1, 2.5, "2", True, np.nan, 10**30])
def test_numbers_of_images_and_threads_are_whole(model, tmp_path, entry, option, value):
    with pytest.raises(InvalidOptionError, match="whole numbers from 1 to"):
        entry(model, ["a.png"], tmp_path, **{option: value})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [Path, os.fspath])
def test_paths_are_texts_or_objects_and_images_any_iterable(model, pictures, tmp_path, kind):
    good = [picture for picture in pictures if "p00" in picture][:3]
    out, folder = kind(tmp_path / "rows.jsonl"), kind(tmp_path / "drawn")
    numbers = {"batch_size": np.int64(2), "workers": np.int64(1)}
    assert predict_to_file(model, map(kind, good), out, draw=folder, **numbers).images == 3
    assert draw_images(model, map(kind, good), folder, overwrite=True, **numbers).images == 3
    assert [row["image"] for row in read_jsonl(tmp_path / "rows.jsonl")] == good
    assert list(predict_rows(model, np.array(good), **numbers)) == read_jsonl(tmp_path / "rows.jsonl")


@pytest.mark.parametrize(
    "options", [{"min_score": np.float32(0.5)}, {"max_faces": np.int64(2)}, {"rotations": (np.int64(0),)}]
)
def test_settings_may_be_numbers_of_numpy(model, pictures, tmp_path, options):
    assert run(model, pictures[:1], tmp_path / "rows.jsonl", find=Find(**options)).images == 1


def test_names_that_are_no_utf8_are_written_all_the_same():
    for path, text in ((os.fsdecode(b"a\xff.jpg"), "a\\xff.jpg"), ("å.jpg", "å.jpg")):
        record = image_record(path, "m", None, f"no such file: {path}")
        assert (record["image"], record["error"]) == (text, f"no such file: {text}")


@pytest.mark.parametrize("suffix", [".csv", pytest.param(".parquet", marks=needs_pyarrow)])
def test_an_unreadable_image_whose_name_is_no_utf8_is_a_row(model, tmp_path, suffix):
    counts = predict_to_file(model, [os.fsdecode(b"a\xff.jpg")], tmp_path / f"rows{suffix}")
    assert counts.errors == ["no such file: a\\xff.jpg"]


def run(model, pictures, out, **options):
    return predict_to_file(model, pictures, out, batch_size=6, workers=2, **options)


def test_jsonl_and_csv_have_the_same_rows(model, rows, pictures, tmp_path):
    counts = run(model, pictures, tmp_path / "rows.jsonl")
    assert read_jsonl(tmp_path / "rows.jsonl") == rows
    failed, without = (sum(row["status"] == status for row in rows) for status in ("failed", "no_face"))
    assert (counts.images, counts.failed, counts.without) == (len(pictures), failed, without) == (22, 2, 4)
    assert counts.faces == sum(row["status"] == "ok" for row in rows)
    run(model, pictures, tmp_path / "rows.csv")
    table = read_csv(tmp_path / "rows.csv")
    for line, row in zip(table, rows, strict=True):
        for name in ("image", "model", "status", "error", "width", "face", "detector", "box_score"):
            assert line[name] == ("" if row[name] is None else str(row[name]))
        if row["points"]:
            assert [float(line["x_67"]), float(line["y_67"])] == row["points"][67]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.csv", "rows.jsonl"]


def test_csv_has_the_points_of_the_detector_where_it_gives_them(model, pictures, tmp_path):
    class WithPoints:
        name, convention = "with points", "compact"

        def detect(self, image, min_score=None):
            found = model.detector("compact").detect(image, min_score=min_score)
            return Detections(found.boxes, found.scores, np.full((len(found.boxes), 5, 2), 7.25, np.float32))

    run(Model(model.spec, model.engine, lambda _: WithPoints()), pictures, tmp_path / "rows.csv")
    table = read_csv(tmp_path / "rows.csv")
    assert {(line["status"], line["detector_x_0"], line["detector_y_4"]) for line in table} == {
        ("ok", "7.25", "7.25"),
        ("no_face", "", ""),
        ("failed", "", ""),
    }
    assert "depth_0" not in table[0]


@needs_pyarrow
def test_parquet_has_the_same_rows(model, rows, pictures, tmp_path):
    import pyarrow.parquet as pq

    run(model, pictures, tmp_path / "rows.parquet")
    found = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert [set(row) for row in found] == [set(row) for row in rows]
    for one, other in zip(found, rows, strict=True):
        for name in ("image", "model", "status", "error", "width", "height", "scheme", "detector", "face"):
            assert one[name] == other[name]
        for name in ("box", "box_score", "points", "scores", "detector_points", "depth", "expected_error"):
            assert (one[name] is None) == (other[name] is None)
            if one[name] is not None:
                assert np.array_equal(np.float32(one[name]), np.float32(other[name]))


@needs_pyarrow
def test_the_ray_predictor_gives_the_rows_of_a_batch(rows, pictures):
    predictor = RayPredictor(workers=2, load={"threads": 1})
    table = predictor({"path": np.array(pictures, object)})
    assert [key(row) for row in table.to_pylist()] == [key(row) for row in rows]
    with pytest.raises(InvalidOptionError, match="no column 'path'; they have image"):
        predictor({"image": np.array(pictures, object)})


@needs_pyarrow
def test_rows_of_turned_pictures_are_what_predict_finds(model, pictures):
    turns = (180, 0)
    found = list(predict_rows(model, pictures[:6], Find(rotations=turns), batch_size=4, workers=2))
    for row in found:
        if row["status"] != "failed":
            faces = model.predict(row["image"], rotations=turns)
            assert len(faces) == (row["status"] == "ok")
            for box, points in zip(faces.boxes, faces.points, strict=True):
                np.testing.assert_allclose(row["box"], box, atol=2e-3)
                np.testing.assert_allclose(row["points"], points, atol=2e-3)
    assert any(row["status"] == "ok" for row in found)
    predictor = RayPredictor(workers=2, find=Find(rotations=turns), load={"threads": 1})
    assert [key(row) for row in predictor({"path": np.array(pictures[:6], object)}).to_pylist()] == [*map(key, found)]


@pytest.mark.parametrize("rotations", [(), (45,), (0, 360)])
def test_impossible_rotations_are_refused_before_anything_is_done(model, tmp_path, rotations):
    def never():
        raise AssertionError
        yield

    with pytest.raises(InvalidOptionError, match="0, 90, 180, 270"):
        predict_batches(model, never(), Find(rotations=rotations))
    with pytest.raises(InvalidOptionError, match="0, 90, 180, 270"):
        RayPredictor("no such model", find=Find(rotations=rotations))
    with pytest.raises(InvalidOptionError, match="0, 90, 180, 270"):
        predict_to_file(model, ["a.png"], tmp_path / "x.jsonl", Find(rotations=rotations))
    assert not list(tmp_path.iterdir())


def test_without_pyarrow_the_extra_is_named(model, pictures, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for work in (lambda: run(model, pictures, tmp_path / "rows.parquet"), RayPredictor):
        with pytest.raises(MissingDependencyError, match=r"facelandmarks-zoo\[parquet\]"):
            work()
    with pytest.raises(InvalidOptionError, match=r"\.parquet, \.jsonl, \.csv"):
        run(model, pictures, tmp_path / "rows.txt")
    assert list(tmp_path.iterdir()) == []


class BrokenError(Exception):
    pass


def broken_run(model, pictures, out, done, **options):
    """A run that ends after so many pictures."""

    def stop(now):
        if now >= done:
            raise BrokenError

    with pytest.raises(BrokenError):
        run(model, pictures, out, progress=stop, **options)


@pytest.mark.parametrize("done", [0, 6, 22])
@pytest.mark.parametrize("torn", ["", '{"image": "p0', "whole"])
def test_a_broken_run_goes_on_with_the_same_rows(model, rows, pictures, tmp_path, done, torn):
    out = tmp_path / "rows.jsonl"
    broken_run(model, pictures, out, done)
    journal = journal_path(out)
    before = journal.read_bytes()
    with journal.open("a") as file:  # killed while it wrote: a part of a line, or of a batch
        if torn == "whole" and 0 < done < 22:
            torn = json.dumps({**json.loads(before.splitlines()[1]), "image": pictures[done]}) + "\n"
        file.write(torn if torn.endswith("\n") else torn[:13])
    told = []
    run(model, pictures, out, resume=True, progress=told.append)
    assert told[0] == done
    assert read_jsonl(out) == rows
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


DAMAGES = {
    "another picture": {"image": "another.jpg"},
    "another scheme": {"scheme": "points5"},
    "no faces": {"faces": None},
    "a word for a number": {"width": "50"},
    "no number": {"faces": [{"box": [0, 0, 1, float("nan")]}]},
    "endless": {"width": 10**400},
    "more than it knows": {"extra": 1},
    "an error that is none": {"error": 3},
}


@pytest.mark.parametrize("changed", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_journal_is_an_error_that_says_where(model, pictures, tmp_path, changed):
    out = tmp_path / "rows.jsonl"
    broken_run(model, pictures, out, 6)
    lines = journal_path(out).read_text().splitlines()
    lines[3] = json.dumps({**json.loads(lines[3]), **changed})
    journal_path(out).write_text("\n".join(lines) + "\n")
    with pytest.raises(InvalidOptionError, match=r"damaged in line 4"):
        run(model, pictures, out, resume=True)
    assert not out.exists()


def test_a_journal_of_more_pictures_is_an_error(model, pictures, tmp_path):
    out = tmp_path / "rows.jsonl"
    broken_run(model, pictures, out, 6)
    lines = journal_path(out).read_text().splitlines()
    journal_path(out).write_text("\n".join([*lines, *lines[1:] * len(pictures)]) + "\n")
    with pytest.raises(InvalidOptionError, match="damaged in line 8"):
        run(model, pictures, out, resume=True)


def test_what_is_there_is_not_overwritten_by_accident(model, rows, pictures, tmp_path):
    out = tmp_path / "rows.jsonl"
    broken_run(model, pictures, out, 6)
    with pytest.raises(InvalidOptionError, match="--resume"):
        run(model, pictures, out)
    run(model, pictures, out, overwrite=True)
    with pytest.raises(InvalidOptionError, match="--force"):
        run(model, pictures, out)
    assert run(model, pictures, out, resume=True) is None
    assert read_jsonl(out) == rows


def test_a_run_goes_on_with_its_own_settings_only(model, pictures, tmp_path):
    out = tmp_path / "rows.jsonl"
    broken_run(model, pictures, out, 6)
    flipping = fl.load_model(flip_test=True)
    others = (
        (model, pictures[:-1], {}),
        (flipping, pictures, {}),
        (model, pictures, {"find": Find(min_score=0.9)}),
        (model, pictures, {"find": Find(rotations=(0, 180))}),
        (Model(replace(model.spec, box_padding=1.5), model.engine, model.detector), pictures, {}),
        (model, pictures, {"draw": tmp_path / "drawn"}),
    )
    for other, images, options in others:
        with pytest.raises(InvalidOptionError, match="another run"):
            run(other, images, out, resume=True, **options)
    journal_path(out).write_text("[]\nno journal\n")
    with pytest.raises(InvalidOptionError, match=r"another run|damaged"):
        run(model, pictures, out, resume=True)


@pytest.mark.parametrize("changed", [{"package": "0.0.1"}, {"version": "0.0.1"}, {"box_padding": 9}])
def test_a_run_does_not_go_on_with_another_version_or_record(model, pictures, tmp_path, changed):
    out = tmp_path / "rows.jsonl"
    broken_run(model, pictures, out, 6)
    settings, *lines = journal_path(out).read_text().splitlines(keepends=True)
    assert changed.keys() <= json.loads(settings).keys()
    journal_path(out).write_text(json.dumps({**json.loads(settings), **changed}) + "\n" + "".join(lines))
    with pytest.raises(InvalidOptionError, match=f"another run: {next(iter(changed))} "):
        run(model, pictures, out, resume=True)


def test_a_run_goes_on_with_its_own_drawings_only(model, pictures, tmp_path):
    out, drawn, style = tmp_path / "rows.jsonl", tmp_path / "drawn", fl.Style(boxes=False)
    broken_run(model, pictures, out, 6, draw=drawn)
    for options in ({}, {"draw": tmp_path / "other"}, {"draw": drawn, "style": style}):
        with pytest.raises(InvalidOptionError, match=r"another run: (draw|style) "):
            run(model, pictures, out, resume=True, **options)
    run(model, pictures, out, resume=True, draw=drawn)
    assert len(list(drawn.rglob("*_landmarks.png"))) == len(pictures) - len(BROKEN)
    assert run(model, pictures, out, resume=True, draw=drawn) is None
    with pytest.raises(InvalidOptionError, match=r"finished, without drawings in .*other"):
        run(model, pictures, out, resume=True, draw=tmp_path / "other")


def test_a_drawing_never_replaces_an_image_behind_a_link(model, tmp_path):
    images, drawn = tmp_path / "images", tmp_path / "drawn"
    images.mkdir()
    drawn.symlink_to(images)
    for name in ("a.png", "a_landmarks.png"):
        (images / name).write_bytes(b"mine")
    with pytest.raises(InvalidOptionError, match="is an input"):
        draw_images(model, find_images([images]), drawn, overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_rows_take_the_place_of_a_plain_file_only(model, tmp_path, overwrite):
    (tmp_path / "rows.csv").mkdir()
    with pytest.raises(InvalidOptionError, match="a folder, pipe or device"):
        predict_to_file(model, ["a.png"], tmp_path / "rows.csv", overwrite=overwrite)


def test_two_runs_do_not_write_one_file(model, pictures, tmp_path):
    out = tmp_path / "rows.jsonl"
    seen = []

    def second(_done):
        with pytest.raises(InvalidOptionError, match="another run is writing"):
            run(model, pictures, out, overwrite=True)
        seen.append(True)

    run(model, pictures, out, progress=second)
    assert seen


def test_a_write_that_fails_leaves_the_journal_and_no_table(model, pictures, tmp_path, monkeypatch):
    out = tmp_path / "rows.jsonl"

    def full(_path, file, *_args):
        file.write(b"half of it")
        raise OSError("disk full")

    monkeypatch.setattr("facelandmarks.bulk.run.write_table", full)
    with pytest.raises(OSError, match="disk full"):
        run(model, pictures, out)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl.journal"]


def test_a_journal_says_where_it_is_damaged(tmp_path):
    journal = Journal(tmp_path / "j", {"a": 1})
    journal.begin()
    journal.append([{"n": 1}, {"n": 2}])
    with journal.path.open("ab") as file:
        file.write(b"{]\n")
    with pytest.raises(InvalidOptionError, match="damaged in line 4"):
        list(journal.records())
    with pytest.raises(InvalidOptionError, match="a 1, now 2, b None, now 3"):
        Journal(tmp_path / "j", {"a": 2, "b": 3}).check()
