"""Whatever a name is, the file name made of it stays in its folder and is one that every system takes."""

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.core.names import FILE_NAME_BYTES_MAX, safe_file_name

NASTY = ["../../etc/passwd", "/etc/passwd", "C:\\x", "a\0b", "CON", "nul.txt", "..", ".", "", " ", "x" * 10_000, ".ssh"]


@given(st.one_of(st.text(), st.sampled_from(NASTY), st.text(alphabet="./\\:\0conul ").map(lambda text: text * 3)))
def test_it_is_one_name_in_one_folder(name):
    made = safe_file_name(name)
    assert made == PurePosixPath(made).name == PureWindowsPath(made).name
    assert not made.startswith(".")
    assert made == made.strip()
    assert not made.endswith(".")
    assert 0 < len(made.encode()) <= FILE_NAME_BYTES_MAX
    assert not set(made) & set('<>:"/\\|?*\0\n')
    assert not PureWindowsPath(made).is_reserved()
    assert safe_file_name(made) == made


@pytest.mark.parametrize("name", ["clip.mp4", "Küche 3 (2).mov", "日本語.mp4", "a.b.c.jpg", "👨‍👩‍👧.png"])
def test_an_ordinary_name_stays_as_it_is(name):
    assert safe_file_name(name) == name


def test_a_long_name_keeps_its_ending():
    assert safe_file_name("x" * 5000 + ".mp4").endswith("x.mp4")
    assert safe_file_name("日" * 5000 + ".mp4").endswith("日.mp4")
