"""`fulfillment-conformance record`: keep what the live service answered in a run, to compare the emulator with it."""

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
def record(run: Path, file: Path) -> None:
    """Make a recording out of a run against the live service.

    RUN is the folder of the run (or its exchanges.jsonl), FILE the recording to write, such as
    recordings/2026-11-22.yaml. Shows where `emulate --profile observed` answers otherwise.
    """
    from fulfillment_conformance.live.recorder import record as made_out_of
    from fulfillment_conformance.live.replay import compared

    made = made_out_of(run, file)
    for reason, count in made.left_out.items():
        click.echo(f"left out {count}: {reason}", err=True)
    click.echo(f"{file}: {len(made.recording.exchanges)} exchanges of {made.recording.recorded}", err=True)
    differences = compared(made.recording)
    for difference in differences:
        click.echo(str(difference))
    click.echo(f"{len(differences) or 'no'} differences from emulate --profile observed", err=True)
