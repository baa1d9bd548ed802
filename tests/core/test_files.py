"""What is written takes the place of files only."""

import os

import pytest

from facelandmarks._files import write_file


def test_the_file_of_a_link_is_written_and_the_link_stays(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/file")
    for content in (b"new", b"newer"):
        write_file(tmp_path / "link", content)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "folder" / "file").read_bytes() == content
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["file"]


def test_pipes_devices_and_folders_are_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(os.devnull)
    for name in ("pipe", "folder", "link"):
        with pytest.raises(OSError, match=f"it is not a plain file: .*{name}"):
            write_file(tmp_path / name, b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link", "pipe"]
    assert (tmp_path / "pipe").is_fifo()
