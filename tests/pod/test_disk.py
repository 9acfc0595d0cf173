"""What counts as the disk of a pod, measured without one; that a pod ends for it is shown in tests/isolation."""

import os
import subprocess
import sys

import pytest

from pipeyard.pod.disk import DiskLimit

MEBIBYTE = 1024**2


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def used(folder, most_bytes):
    limit = DiskLimit(most_bytes, [str(folder)])
    return any(limit.look() for _ in range(100))


def test_all_files_count_together(folder):
    for number in range(4):
        (folder / "below").mkdir(exist_ok=True)
        (folder / "below" / str(number)).write_bytes(bytes(MEBIBYTE))
    assert used(folder, 4 * MEBIBYTE)
    assert not used(folder, 5 * MEBIBYTE)


def test_a_hole_takes_nothing_and_two_names_take_one_file(folder):
    with (folder / "hole").open("wb") as file:
        file.truncate(1024 * MEBIBYTE)
    (folder / "file").write_bytes(bytes(2 * MEBIBYTE))
    os.link(folder / "file", folder / "again")
    assert not used(folder, 3 * MEBIBYTE)


def test_empty_files_take_something(folder):
    for number in range(300):
        (folder / str(number)).touch()
    assert used(folder, MEBIBYTE)


def test_many_files_are_measured_in_more_than_one_look(folder):
    for number in range(2500):
        (folder / str(number)).touch()
    limit = DiskLimit(9 * MEBIBYTE, [str(folder)])  # 2304 files of 4 KiB
    assert [limit.look() for _ in range(2)] == [False, True]


def test_folders_too_deep_to_be_seen_count_as_too_much(folder):
    start = os.getcwd()
    try:
        os.chdir(folder)
        for _ in range(30):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
    finally:
        os.chdir(start)
    try:
        assert used(folder, 100 * MEBIBYTE)
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)


def test_a_deleted_file_counts_while_a_process_has_it_open(folder):
    code = """
import os, sys
file = open("deleted", "wb")
os.unlink("deleted")
file.write(bytes(4 * 1024**2))
file.flush()
print("written", flush=True)
sys.stdin.read()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], cwd=folder, **pipes) as process:
        assert process.stdout.readline() == b"written\n"
        assert used(folder, 3 * MEBIBYTE)
        process.communicate()
    assert not used(folder, 3 * MEBIBYTE)


def test_what_others_write_to_the_disk_is_none_of_it(folder):
    limit = DiskLimit(MEBIBYTE, [str(folder)])
    (folder.parent / "elsewhere").write_bytes(bytes(8 * MEBIBYTE))
    assert not any(limit.look() for _ in range(10))
