"""Ranges as RFC 9110 has them, and download names that stay names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thatdam.gateway.files import UnsatisfiableError, disposition, wanted_range


@given(st.integers(0, 10_000), st.integers(0, 12_000), st.integers(0, 12_000))
def test_a_range_gives_the_bytes_that_are_there(size, first, last):
    data = bytes(number % 251 for number in range(size))
    if last < first:
        assert wanted_range(f"bytes={first}-{last}", size) is None
    elif first >= size:
        with pytest.raises(UnsatisfiableError):
            wanted_range(f"bytes={first}-{last}", size)
    else:
        start, end = wanted_range(f"bytes={first}-{last}", size)
        assert data[start:end] == data[first : last + 1]
        assert len(data[start:end]) > 0


@given(st.integers(1, 10_000), st.integers(1, 12_000))
def test_a_range_from_the_end_gives_the_last_bytes(size, count):
    assert wanted_range(f"bytes=-{count}", size) == (max(0, size - count), size)


@given(st.integers(1, 10_000), st.integers(0, 12_000))
def test_an_open_range_goes_to_the_end(size, first):
    if first < size:
        assert wanted_range(f"bytes={first}-", size) == (first, size)
    else:
        with pytest.raises(UnsatisfiableError):
            wanted_range(f"bytes={first}-", size)


@pytest.mark.parametrize("size", [0, 10])
def test_no_bytes_from_the_end_cannot_be_given(size):
    with pytest.raises(UnsatisfiableError):
        wanted_range("bytes=-0", size)


@pytest.mark.parametrize(
    "header", [None, "", "bytes=-", "bytes=a-b", "items=0-1", "bytes=0-1,3-4", "bytes=١-٢", "bytes"]
)
def test_what_is_no_single_range_is_passed_over(header):
    assert wanted_range(header, 100) is None


@given(
    st.one_of(st.none(), st.text(max_size=60), st.text(alphabet="bytes=-0123456789, ", max_size=30)), st.integers(0, 99)
)
def test_no_header_breaks_it(header, size):
    try:
        found = wanted_range(header, size)
    except UnsatisfiableError:
        return
    assert found is None or 0 <= found[0] < found[1] <= size


@given(st.text(max_size=300))
def test_a_download_name_is_one_ascii_header_line(name):
    header = disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert header.startswith("attachment; ")
    assert "/" not in header.replace("%2F", "").partition("filename=")[2]
