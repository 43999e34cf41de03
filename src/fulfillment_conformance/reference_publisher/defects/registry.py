"""Defects by name: what each breaks, and how it gets into a freshly built publisher."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fulfillment_conformance.reference_publisher.app import ReferencePublisher

Apply = Callable[[ReferencePublisher], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """A seeded fault.

    Attributes:
        name: in kebab case.
        breaks: ids of the requirements that a publisher with this fault does not meet.
        perhaps: ids of those that may fail beside, depending on how much time has passed before.
        description: what is wrong with it, in a sentence.
        in_browser: only a browser sees it.
        apply: puts the fault into a publisher that has not served anything yet.
        claims: what such a publisher says about itself where the reference publisher says something else.
    """

    name: str
    breaks: tuple[str, ...]
    perhaps: tuple[str, ...]
    description: str
    in_browser: bool = False
    apply: Apply
    claims: Mapping[str, Any]


class UnknownDefect(ValueError):  # noqa: N818 - named for what the caller gave
    """There is no defect of this name."""


_registered: dict[str, Defect] = {}


def defect(
    name: str,
    *,
    breaks: Sequence[str],
    perhaps: Sequence[str] = (),
    claims: Mapping[str, Any] = MappingProxyType({}),
    in_browser: bool = False,
) -> Callable[[Apply], Apply]:
    """Register a function that alters a freshly built publisher; its docstring says what is wrong then.

    Args:
        name: in kebab case, unique.
        breaks: requirement ids, as few as are true.
        perhaps: those of what may fail beside, depending on how much time has passed before.
        claims: what such a publisher says about itself, in the words of a target file.
        in_browser: only a browser sees it.
    """

    def register(apply: Apply) -> Apply:
        if name in _registered:
            raise ValueError(f"two defects are called {name!r}; give one of them another name")
        description = " ".join((apply.__doc__ or "").split())
        _registered[name] = Defect(
            name=name,
            breaks=tuple(breaks),
            perhaps=tuple(perhaps),
            description=description,
            in_browser=in_browser,
            apply=apply,
            claims=claims,
        )
        return apply

    return register


def registered() -> Mapping[str, Defect]:
    """Return all defects by name."""
    return MappingProxyType(_registered)


def named(name: str) -> Defect:
    """Return a defect.

    Raises:
        UnknownDefect: none is called so; the message names the nearest.
    """
    if name not in _registered:
        near = difflib.get_close_matches(name, _registered, n=1, cutoff=0.0)
        advice = f"; the nearest is {near[0]!r}" if near else ""
        raise UnknownDefect(f"there is no defect {name!r}{advice}")
    return _registered[name]


def replace(part: object, attribute: str, substitute: Any) -> Any:
    """Put a substitute in the place of a part's method or attribute, and return what was there.

    Raises:
        AttributeError: the part has no such attribute, so the substitute would never be used.
    """
    original = getattr(part, attribute)
    setattr(part, attribute, substitute)
    return original
