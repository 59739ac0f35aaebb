"""Instances of any wire message, made from its shape."""

from hypothesis import strategies as st

from proto.shapes import Bytes, Fixed, Integer, Many, Optional, Plain, Record, Table, Text, Word

# So long that each bound that a test can afford to reach is reached.
LONG = 70
texts = st.text(st.characters(exclude_categories=["Cs"]))

free = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | texts | st.binary(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def of(shape):
    """Give a strategy for a shape's values."""
    match shape:
        case Text(most, exact):
            size = min(most, LONG)
            return st.text(st.characters(exclude_categories=["Cs"]), min_size=size if exact else 0, max_size=size)
        case Bytes(most, exact):
            return st.binary(min_size=most if exact else 0, max_size=most if exact else min(most, LONG))
        case Integer(least, most):
            return st.integers(least, most)
        case Word(cls):
            return st.sampled_from(list(cls))
        case Plain("bool"):
            return st.booleans()
        case Plain("float"):
            return st.floats(allow_nan=False)
        case Plain("null"):
            return st.none()
        case Plain():
            return free
        case Optional(item):
            return st.none() | of(item)
        case Many(item, most):
            return st.lists(of(item), max_size=min(most, 3)).map(tuple)
        case Fixed(items):
            return st.tuples(*(of(item) for item in items))
        case Table(key, item, most):
            return st.dictionaries(of(key), of(item), max_size=min(most, 3))
        case Record(cls):
            return st.builds(cls, **{field.name: of(field.shape) for field in shape.fields})
