"""Reading JSON objects that people write: known keys, right types, and a message that says what is wrong where."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class BadDocument(ValueError):  # noqa: N818 - it says what it is about
    """What somebody wrote is not what it should be; the message names place, value, and what to give instead."""


def values_in(
    document: object,
    kinds: Mapping[str, type],
    place: str,
    *,
    needed: Sequence[str] = (),
    nullable: Collection[str] = (),
) -> dict[str, Any]:
    """Return the values of an object as they are given.

    Args:
        document: what should be an object.
        kinds: the type of each known key. A bool is no int here.
        place: what the object is, for messages: `offers[0]`.
        needed: keys that must be given.
        nullable: keys whose value may be null.

    Raises:
        BadDocument: no object, an unknown key, a value of another type, or a needed key missing.
    """
    if not isinstance(document, Mapping):
        raise BadDocument(f"{place} is {document!r}; give an object")
    for key, value in document.items():
        if key not in kinds:
            raise BadDocument(f"{place}.{key} is unknown; known are {', '.join(kinds) or 'no keys'}")
        right = isinstance(value, kinds[key]) and isinstance(value, bool) == (kinds[key] is bool)
        if not right and (value is not None or key not in nullable):
            raise BadDocument(f"{place}.{key} is {value!r}; give {_NAMES[kinds[key]]}")
    for key in needed:
        if key not in document:
            raise BadDocument(f"{place}.{key} is missing; give {_NAMES[kinds[key]]}")
    return dict(document)


_NAMES = {str: "a string", int: "an integer", bool: "true or false", list: "an array", dict: "an object"}
