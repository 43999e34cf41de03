"""Stories as something to keep: made shorter, written in words, saved, and read again."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from fulfillment_conformance.backend.stories import Disagreement
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.evidence import curl, redacted
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.lifecycle_model import Step, read_steps
from fulfillment_conformance.redaction import Redactor

_FORMAT: Final = 1


def shrink(steps: Sequence[Step], fails: Callable[[Sequence[Step]], bool], *, tries: int = 60) -> list[Step]:
    """Leave out steps that a story does not need to fail; each try plays it again.

    Args:
        steps: a story that fails.
        fails: plays a shorter one and says whether it fails in the same way.
        tries: how often it may be played.
    """
    best = list(steps)
    size = max(len(best) // 2, 1)
    while tries > 0:
        start = len(best) - size
        shorter = False
        while start >= 0 and tries > 0:
            candidate = best[:start] + best[start + size :]
            tries -= 1
            if candidate and fails(candidate):
                best, shorter = candidate, True
            start -= size
        if size == 1 and not shorter:
            break
        size = max(size // 2, 1)
    return best


def save(
    file: Path, steps: Iterable[Step], found: Disagreement, *, notes: Sequence[str], profile: str, seed: int
) -> None:
    """Write down a story that shows a disagreement, so that people and `load` can read it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    data = {
        "format": _FORMAT,
        "requirement": found.requirement,
        "expected": found.expected,
        "actual": found.actual,
        "profile": profile,
        "seed": seed,
        "told": list(notes),
        "steps": [step.to_json() for step in steps],
    }
    file.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def load(file: Path) -> list[Step]:
    """Read a story that `save` wrote.

    Raises:
        UsageProblem: it cannot be read, or is something else.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["format"] != _FORMAT:
            raise ValueError(f"format {data['format']!r}, this suite reads {_FORMAT}")
        return read_steps(data["steps"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageProblem(
            f"{file} is no story that can be replayed ({type(error).__name__}: {error}); give a file that a run left "
            "in the folder stories of its output"
        ) from None


def in_words(steps: Iterable[Step]) -> list[str]:
    """Return a story as numbered sentences."""
    return [f"{number}. {step.words}" for number, step in enumerate(steps, 1)]


def curl_lines(exchanges: Iterable[Exchange], redactor: Redactor) -> list[str]:
    """Return the command lines that repeat the publisher's part of a story; placeholders stand for what is secret."""
    calls = [exchange for exchange in exchanges if exchange.receiver == "marketplace"]
    told = [exchange for exchange in calls[:-1] if exchange.method != "GET"] + calls[-1:]
    return [curl(redacted(exchange, redactor)) for exchange in told]
