"""What the API answers and is asked, as pydantic models: the source of its OpenAPI, of docs/SHAPES.md and of the
viewer's types.

Only the HTTP edge knows these. A route constructs its answer, so that what is told is checked when it is made and is
written as JSON without being looked at again; a key that is not set is left out of the JSON, a value that is not known
is null. Every field says what it is and its unit, in the text beneath it; a house test misses the one that does not.

Times are RFC 3339 in UTC, positions and durations seconds, sizes bytes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339 in UTC, with milliseconds and a Z."""
Kind = Literal["take", "video", "image", "audio", "other"]
"""What an asset is: a take is a recording of a camera."""
RoleName = Literal["viewer", "operator", "admin"]


class Answer(BaseModel):
    """A part of an answer. Unknown keys are our bug, so they are refused where the answer is made."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Body(BaseModel):
    """What a request's body says."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class StrictBody(Body):
    """A body in which a key that is not known is a mistake, told to the one who made it."""

    model_config = ConfigDict(extra="forbid")
