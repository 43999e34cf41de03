"""The marketplace suite beside `schemathesis run` with its defaults on Microsoft's published OpenAPI, fault by fault.

    python bench/beside_schemathesis.py --openapi saasapi.v2.json --results beside.jsonl

Each deviation of the emulator is served in turn, and both look at it. Schemathesis is given an access token, a pending
and an active subscription, and the seed; everything else is as it comes. What it reports about the emulator without a
deviation (three times, for its data differ) is no find, whatever ids and made-up names it comes with. The suite has
found a fault if a requirement fails that the deviation breaks, and found it exactly if nothing else fails.

`--together 5` serves five deviations at once, which break different requirements, and looks at them one by one where
that shows more than it should: for schemathesis anything, for the suite anything but what they break. A line per
deviation and tool goes to the results; what is there already is not measured again, so a stopped command goes on where
it was. The table is printed as markdown; its times are those of runs that looked at one deviation alone.
"""

import argparse
import json
import math
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx2

from fulfillment_conformance.emulator.deviations import DEVIATIONS
from fulfillment_conformance.seeded_faults import grouped
from fulfillment_conformance.suite_index import read_suites, tests_by_requirement

BASELINES = 3
SEED = 1
SCHEMATHESIS, SUITE = "schemathesis", "suite"
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COMPONENT = re.compile(r"`([\w-]+)`|/properties/([\w-]+)|\(was ([\w-]+)\)")
_KEYWORDS = frozenset({"format", "required", "additionalProperties", "type", "enum", "pattern"})
Found = frozenset[str]


@contextmanager
def served(deviations: Sequence[str]) -> Iterator[str]:
    """Serve the emulator with deviations, and yield its origin."""
    command = [sys.executable, "-m", "fulfillment_conformance.cli", "emulate", "--port", "0"]
    command += [option for name in deviations for option in ("--deviation", name)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("control surface"):
                yield line.split()[-1].removesuffix("/control")
                return
        raise SystemExit(f"the emulator with {', '.join(deviations) or 'no deviation'} did not start:\n{''.join(said)}")
    finally:
        process.terminate()
        process.communicate()


def schemathesis(origin: str, openapi: Path, seed: int) -> tuple[Found, float]:
    """Run schemathesis and return what it reports, as operation, code and message, and how many seconds it took."""
    with tempfile.TemporaryDirectory() as folder:
        token = _prepared(origin)
        command = [sys.executable, "-m", "schemathesis.cli", "run", str(openapi.resolve()), f"--url={origin}/api"]
        command += [f"--header=Authorization: Bearer {token}", f"--seed={seed}", "--report=ndjson"]
        began = time.monotonic()
        done = subprocess.run(
            [*command, f"--report-dir={folder}"], cwd=folder, capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - began
        reports = list(Path(folder).glob("*.ndjson"))
        if done.returncode not in {0, 1} or len(reports) != 1:
            raise SystemExit(f"schemathesis ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return frozenset(_failures(reports[0])), seconds


def _failures(report: Path) -> Iterator[str]:
    with report.open(encoding="utf-8") as lines:
        for line in lines:
            recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
            for checks in recorder.get("checks", {}).values():
                for check in checks:
                    if check["status"] == "failure":
                        failure = check["failure_info"]["failure"]
                        yield " ".join(f"{failure['operation']} {failure['code']} {failure['message']}".split())


def kinds(failures: Iterable[str]) -> Found:
    """Return what failures are about, without what is different in each run: made-up names, ids, the order of names."""
    return frozenset(kind for failure in failures for kind in _kinds(failure))


def _kinds(failure: str) -> Iterator[str]:
    said = _GUID.sub("<id>", failure.partition(" Hint: ")[0])
    said, _, components = said.partition(" Invalid component")
    named = {name for pair in _COMPONENT.findall(components) for name in pair if name} - _KEYWORDS
    yield from (f"{said} ({name})" for name in sorted(named)) if named else (said,)


def _prepared(origin: str) -> str:
    """Buy twice and activate once, and return an access token."""
    with httpx2.Client(base_url=origin, trust_env=False) as client:
        token = str(
            client.post("/control/access-tokens", json={"kind": "valid"}).raise_for_status().json()["accessToken"]
        )
        for _ in range(2):
            bought = client.post("/control/purchases", json={"offerId": "contoso-crm", "planId": "silver"})
            subscription = bought.raise_for_status().json()["subscriptionId"]
        client.post(
            f"/api/saas/subscriptions/{subscription}/activate?api-version=2018-08-31",
            json={"planId": "silver"},
            headers={"authorization": f"Bearer {token}"},
        )
    return token


def suite(origin: str) -> tuple[Found, float]:
    """Run the marketplace suite and return the failed requirements, and how many seconds it took."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "target.yaml")
        target.write_text(
            f"role: marketplace\nmarketplace:\n  driver: control\n  base_url: {origin}/api\n", encoding="utf-8"
        )
        command = [sys.executable, "-m", "fulfillment_conformance.cli", "run", "--progress=quiet", f"--seed={SEED}"]
        began = time.monotonic()
        done = subprocess.run(
            [*command, f"--target={target}", f"--output={folder}/output"], capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - began
        file = Path(folder, "output", "results.json")
        if not file.exists():
            raise SystemExit(f"the suite ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        rows = json.loads(file.read_text(encoding="utf-8"))["requirements"]
        return frozenset(row["id"] for row in rows if row["outcome"] == "failed"), seconds


def look(by: str, names: Sequence[str], openapi: Path, known: Found) -> list[dict[str, Any]]:
    """Let one of both look at deviations: at all of them at once, and at each where that tells more than it should."""
    with served(names) as origin:
        found, seconds = schemathesis(origin, openapi, SEED) if by == SCHEMATHESIS else suite(origin)
    if len(names) == 1:
        return [_row(by, names[0], found) | {"seconds": round(seconds, 1)}]
    broken = {each for name in names for each in _declared(name)}
    perhaps = {each for name in names for each in DEVIATIONS[name].perhaps}
    if kinds(found) - known if by == SCHEMATHESIS else not broken <= found <= broken | perhaps:
        return [row for name in names for row in look(by, [name], openapi, known)]
    return [_row(by, name, found & _declared(name) if by == SUITE else found) for name in names]


def _row(by: str, name: str, found: Found) -> dict[str, Any]:
    if by == SCHEMATHESIS:
        return {"deviation": name, "by": by, "found": sorted(found)}
    declared = _declared(name)
    return {
        "deviation": name,
        "by": by,
        "found": sorted(found & declared),
        "beside": sorted(found - declared - set(DEVIATIONS[name].perhaps)),
        "missed": sorted(declared - found),
    }


def _declared(name: str) -> Found:
    return frozenset(each for each in DEVIATIONS[name].breaks if each in _tested())


@cache
def _tested() -> Found:
    return frozenset(tests_by_requirement(read_suites()))


def baseline(by: str, openapi: Path) -> dict[str, Any]:
    """Let one of both look at the emulator as it is; schemathesis several times, for its data differ."""
    found: Found = frozenset()
    for seed in range(SEED, SEED + (BASELINES if by == SCHEMATHESIS else 1)):
        with served([]) as origin:
            reported, _ = schemathesis(origin, openapi, seed) if by == SCHEMATHESIS else suite(origin)
            found |= reported
    return {"deviation": None, "by": by, "found": sorted(found)}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return what was measured as markdown, over the deviations that both have looked at."""
    theirs, ours = ({row["deviation"]: row for row in rows if row["by"] == by} for by in (SCHEMATHESIS, SUITE))
    judged = sorted((theirs.keys() & ours.keys()) - {None})
    if not judged:
        return "No deviation was looked at by both yet."
    exact = sum(not ours[name]["beside"] and not ours[name]["missed"] for name in judged)
    median = [
        statistics.median([by[name]["seconds"] for name in judged if "seconds" in by[name]] or [math.nan])
        for by in (theirs, ours)
    ]
    known = kinds(theirs[None]["found"])
    found = [
        {name for name in judged if kinds(theirs[name]["found"]) - known},
        {name for name in judged if ours[name]["found"]},
    ]
    cells: list[tuple[str, object, object]] = [
        ("", "`schemathesis run`", "this suite"),
        ("---", "---:", "---:"),
        ("Reported about the emulator without a deviation", len(known), len(ours[None]["found"])),
        (f"Deviations found, of {len(judged)}", len(found[0]), len(found[1])),
        ("Found by this one alone", len(found[0] - found[1]), len(found[1] - found[0])),
        ("Found exactly: what it breaks, and nothing else", "", exact),
        ("Median time of a run", f"{median[0]:.0f} s", f"{median[1]:.0f} s"),
    ]
    return "\n".join(f"| {name} | {one} | {other} |" for name, one, other in cells)


def main() -> None:
    """Measure what is not measured yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--openapi", type=Path, required=True, help="Microsoft's published file, saasapi.v2.json")
    parser.add_argument("--results", type=Path, required=True, help="where a line per deviation is kept")
    parser.add_argument("--jobs", type=int, default=1, help="how many deviations are looked at at once")
    parser.add_argument("--together", type=int, default=1, help="how many deviations are served at once")
    parser.add_argument("--by", choices=(SCHEMATHESIS, SUITE), help="let only one of both look")
    parser.add_argument("deviations", nargs="*", help="all of them, if none is named")
    options = parser.parse_args()
    unknown = sorted(set(options.deviations) - DEVIATIONS.keys())
    if unknown:
        parser.error(f"no such deviation: {', '.join(unknown)}")

    lines = options.results.read_text(encoding="utf-8").splitlines() if options.results.exists() else []
    rows = [json.loads(line) for line in lines]

    def keep(row: dict[str, Any]) -> None:
        rows.append(row)
        with options.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    for by in (options.by,) if options.by else (SCHEMATHESIS, SUITE):
        done = {row["deviation"]: row for row in rows if row["by"] == by}
        if None not in done:
            done[None] = baseline(by, options.openapi)
            keep(done[None])
        wanted = [name for name in options.deviations or sorted(DEVIATIONS) if name not in done]
        groups = grouped({name: DEVIATIONS[name].breaks for name in wanted}, options.together)
        known = kinds(done[None]["found"])
        with ThreadPoolExecutor(options.jobs) as pool:
            for found in pool.map(partial(look, by, openapi=options.openapi, known=known), groups):
                for row in found:
                    keep(row)
                    print(f"{row['deviation']}: {by} {len(row['found'])}", file=sys.stderr)
    print(table(rows))


if __name__ == "__main__":
    main()
