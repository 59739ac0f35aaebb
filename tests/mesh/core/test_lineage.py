"""Which authorities stand beside the one a node goes by, whatever is heard of them and in whatever order."""

from itertools import permutations

import pytest

from mesh.core.identity import Authority, NotAMember
from mesh.core.lineage import BESIDE_MAX, KNOWN_MAX, Lineage
from proto.messages.identity import LINE_MAX

A = Authority(b"a" * 32)
B1, B2, C1, C2, STRANGER, OTHER = (Authority(seed * 32, A.mesh) for seed in (b"b", b"c", b"d", b"e", b"x", b"y"))


def signed(old, new):
    return old.public_key, old.succession(new.certificate())


def knowing(*pairs):
    made = Lineage(A.mesh)
    for pair in pairs:
        made.add(*signed(*pair))
    return made


def beside(lineage, present):
    return set(lineage.beside(present.public_key))


def keys(*authorities):
    return {one.public_key for one in authorities}


def test_nothing_is_beside_the_only_successor():
    for present in (A, B1, C1):
        assert not beside(knowing((A, B1), (B1, C1)), present)


@pytest.mark.parametrize("order", list(permutations([(A, B1), (A, B2), (B2, C2), (B1, C1), (STRANGER, OTHER)])))
def test_each_side_sees_all_of_the_other_in_any_order(order):
    lineage = knowing(*order)
    assert beside(lineage, A) == set()
    assert beside(lineage, B1) == beside(lineage, C1) == keys(B2, C2)
    assert beside(lineage, B2) == beside(lineage, C2) == keys(B1, C1)
    assert beside(lineage, STRANGER) == set()


def test_a_side_that_signed_for_the_other_is_beside_no_more():
    lineage = knowing((A, B1), (A, B2), (B2, C2), (C2, B1))
    assert beside(lineage, B1) == set()


def test_rings_end():
    lineage = knowing((A, B1), (B1, A), (B1, B2), (B2, B1))
    for present in (A, B1, B2):
        lineage.beside(present.public_key)
        assert len(lineage.line(present.public_key)) <= LINE_MAX


def test_the_line_leads_from_the_first_to_the_present():
    lineage = knowing((B1, C1), (A, B2), (A, B1))
    assert lineage.line(C1.public_key) == (signed(A, B1), signed(B1, C1))
    assert lineage.line(B2.public_key) == (signed(A, B2),)
    assert lineage.line(A.public_key) == ()


def test_only_what_is_signed_is_taken():
    lineage = Lineage(A.mesh)
    with pytest.raises(NotAMember):
        lineage.add(A.public_key, STRANGER.succession(B1.certificate()))
    with pytest.raises(NotAMember):
        lineage.add(A.public_key, A.tombstone("a" * 52, ""))
    assert lineage.line(B1.public_key) == ()


def test_what_strangers_sign_takes_nobody_elses_room():
    lineage = knowing((A, B1))
    for number in range(KNOWN_MAX):
        made = Authority(number.to_bytes(32, "big"), A.mesh)
        lineage.add(*signed(made, STRANGER))
    assert lineage.full
    assert not lineage.add(*signed(A, B2))
    lineage.keep_only(B1.public_key)
    assert lineage.add(*signed(A, B2))
    assert beside(lineage, B1) == keys(B2)


def test_a_thief_of_a_former_authority_has_only_so_many_told():
    lineage = knowing((A, B1), (A, B2))
    for number in range(BESIDE_MAX):
        lineage.add(*signed(A, Authority(number.to_bytes(32, "big"), A.mesh)))
    found = list(lineage.beside(B1.public_key))
    assert len(found) == BESIDE_MAX
    assert found[0] == B2.public_key, "the first heard of stay"


def test_what_was_signed_for_those_beside_is_given_to_be_kept():
    lineage = knowing((A, B1), (A, B2), (B2, C2))
    again = Lineage(A.mesh)
    for told in (signed(A, B1), *lineage.led_to(lineage.beside(B1.public_key))):
        again.add(*told)
    assert beside(again, B1) == keys(B2, C2)
