"""What is taken for a mesh secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.core.secret import RANDOM_BYTES, WeakSecret, make_secret, read_secret

CHANCE = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)


@given(CHANCE)
def test_a_secret_is_read_as_it_was_made_however_it_is_typed(chance):
    text = make_secret(chance)
    assert read_secret(text) == chance
    assert read_secret(f"  {text.upper().replace('-', ' ')} ") == chance


@given(CHANCE, st.integers(0, 35), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_a_slip_of_the_pen_is_told(chance, place, letter):
    text = make_secret(chance)
    letters = [at for at, found in enumerate(text) if found.isalnum()][3:]
    changed = text[: letters[place]] + letter + text[letters[place] + 1 :]
    if changed != text:
        with pytest.raises(WeakSecret, match="slip"):
            read_secret(changed)


@pytest.mark.parametrize("text", ["", "hunter2", "correct horse battery staple", "x" * 10_000])
def test_what_somebody_thought_up_is_refused_with_what_to_do(text):
    with pytest.raises(WeakSecret, match="thatdam secret"):
        read_secret(text)


def test_a_secret_cut_short_is_refused():
    with pytest.raises(WeakSecret, match="slip"):
        read_secret(make_secret(b"a" * RANDOM_BYTES)[:-3])
