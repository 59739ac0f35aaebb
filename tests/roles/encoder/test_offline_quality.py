"""The offline embedder finds photos by words it was not tuned on. The figures are what is promised, measured here."""

import numpy as np
import photos
import pytest

from roles.encoder.adapters.embedder_offline import OfflineEmbedder

QUERIES = {
    "cat": ["chelsea"],
    "a pet lying down": ["chelsea"],
    "a cup of coffee": ["coffee"],
    "hot drink": ["coffee"],
    "astronaut": ["astronaut"],
    "woman": ["astronaut"],
    "person": ["astronaut", "camera"],
    "photographer with a tripod": ["camera"],
    "man with a camera": ["camera"],
    "coins": ["coins"],
    "money": ["coins"],
    "horse": ["horse"],
    "animal": ["chelsea", "horse"],
    "motorcycle": ["motorcycle_left"],
    "vehicle in a garage": ["motorcycle_left"],
    "rocket launch": ["rocket"],
    "missile": ["rocket"],
    "temple in china": ["china"],
    "palace": ["china"],
    "building": ["china"],
    "flower": ["flower"],
    "plant in bloom": ["flower"],
    "brick wall": ["brick", "gravel"],
    "stones": ["gravel", "brick"],
    "grass": ["grass"],
    "night sky with stars": ["hubble_deep_field"],
    "moon": ["moon"],
    "page of a book": ["page"],
}
ABSENT = ("airplane", "elephant", "sailing boat", "guitar player", "pizza", "snow mountain", "traffic light", "penguin")


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    embedder = OfflineEmbedder(tmp_path_factory.mktemp("cache"))
    pictures = photos.jpegs()
    looks = embedder.embed_frames(list(pictures.values()))
    return embedder, list(pictures), np.stack([np.frombuffer(look.vector, "<f4") for look in looks]), looks


def similar(seen, query):
    embedder, _, vectors, _ = seen
    return vectors @ np.frombuffer(embedder.embed_text(query), "<f4")


def test_most_photos_are_first_and_nearly_all_among_the_first_three(seen):
    _, names, _, _ = seen
    first = third = 0
    for query, right in QUERIES.items():
        order = [names[at] for at in np.argsort(-similar(seen, query))]
        first += order[0] in right
        third += any(name in right for name in order[:3])
    assert first / len(QUERIES) >= 0.6
    assert third / len(QUERIES) >= 0.75


def test_the_floor_keeps_most_of_what_fits_and_drops_most_of_what_does_not(seen):
    embedder, names, _, _ = seen
    fits = [similar(seen, query)[names.index(name)] for query, right in QUERIES.items() for name in right]
    noise = np.concatenate([similar(seen, query) for query in ABSENT])
    assert np.mean(np.array(fits) >= embedder.floor) >= 0.6
    assert np.mean(noise >= embedder.floor) <= 0.1


def test_vectors_are_unit_long_and_tags_are_words_with_their_confidence(seen):
    embedder, names, vectors, looks = seen
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert (vectors.shape[1], embedder.dimension) == (384, 384)
    tags = {name: {tag.word: tag.confidence for tag in look.tags} for name, look in zip(names, looks, strict=True)}
    assert tags["coffee"]["cup"] > 0.5
    assert tags["motorcycle_left"]["motorcycle"] > 0.5
    assert all(0 < sure <= 1 for found in tags.values() for sure in found.values())


def test_what_is_no_picture_is_said_and_the_next_one_works(seen):
    embedder = seen[0]
    with pytest.raises(ValueError, match="not a JPEG"):
        embedder.embed_frames([b"nothing"])
    assert len(embedder.embed_frames([photos.jpegs()["coffee"]])) == 1
