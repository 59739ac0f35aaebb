"""The list of who was ended: it survives the loss or damage of either copy, and never shrinks."""

import asyncio
from dataclasses import dataclass

import pytest
from blake3 import blake3
from places import Places

from mesh.actors.tombstones import META, PATH, Tombstones
from mesh.core.identity import Authority
from mesh.core.lineage import BESIDE_MAX
from mesh.ports import Corrupt
from proto import codec

GONE, OTHER = "a" * 52, "b" * 52


def opened(places):
    made = Tombstones(places, places)
    asyncio.run(made.open())
    return made


def kept(*nodes):
    places = Places()
    made = opened(places)
    for node in nodes:
        made.bury(node, f"why {node[:1]}")
    made.succeed(b"k" * 32, Authority(b"s" * 32).tombstone(GONE, ""))
    asyncio.run(made.keep())
    return places


def lose(copies, key):
    del copies[key]


def flip(copies, key):
    copies[key] = copies[key][:-1] + bytes([copies[key][-1] ^ 1])


def halve(copies, key):
    copies[key] = copies[key][: len(copies[key]) // 2]


@pytest.mark.parametrize("harm", [lose, flip, halve])
@pytest.mark.parametrize("which", ["files", "values"])
def test_either_copy_is_enough_and_the_other_is_made_anew(harm, which):
    places = kept(GONE)
    whole = dict(places.files), dict(places.values)
    harm(getattr(places, which), PATH if which == "files" else META)
    again = opened(places)
    assert dict(again.revoked) == {GONE: "why a"}
    assert list(again.successions) == [b"k" * 32]
    asyncio.run(again.keep())
    assert (places.files, places.values) == whole


@pytest.mark.parametrize("harm", [flip, halve])
def test_a_node_that_cannot_know_any_more_whom_it_revoked_does_not_start(harm):
    places = kept(GONE)
    harm(places.files, PATH)
    places.values.clear()
    with pytest.raises(Corrupt, match="put it back from a copy"):
        opened(places)


def test_copies_that_differ_are_put_together():
    places, behind = kept(GONE), kept(OTHER)
    places.values = behind.values
    assert list(opened(places).revoked) == [GONE, OTHER]


def test_the_first_reason_stays():
    made = opened(kept(GONE))
    made.bury(GONE, "another")
    assert made.revoked[GONE] == "why a"


def test_nobody_ended_writes_nothing():
    places = Places()
    asyncio.run(opened(places).keep())
    assert not places.files
    assert not places.values


def test_who_stands_beside_and_who_could_admit_is_kept_up_to_a_bound():
    places, sealed = Places(), Authority(b"s" * 32).tombstone(GONE, "")
    made = opened(places)
    for number in range(BESIDE_MAX + 1):
        made.see(number.to_bytes(32, "big"), sealed)
        made.see(number.to_bytes(32, "big"), sealed)
    made.hold([OTHER, GONE])
    asyncio.run(made.keep())
    for harm in (places.files, places.values):
        harm.clear()
        again = opened(places)
        assert again.beside == made.beside
        assert len(again.beside) == BESIDE_MAX
        assert set(again.held) == {GONE, OTHER}
        asyncio.run(again.keep())


@dataclass(frozen=True)
class OfThePreviousRelease:
    revoked: tuple[tuple[str, str], ...]
    successions: tuple[tuple[bytes, str], ...]


def test_a_list_of_the_previous_release_is_read():
    places = Places()
    body = codec.encode(OfThePreviousRelease(((GONE, "why a"),), ()))
    places.files[PATH] = blake3(body).digest() + body
    made = opened(places)
    assert dict(made.revoked) == {GONE: "why a"}
    assert not made.beside
    assert not made.held
