"""`parjanya aws …`: what only an account of AWS can show."""

from __future__ import annotations

from dataclasses import asdict

import typer

from parjanya_dagster.cli.options import Home, Json, platform_of
from parjanya_dagster.cli.output import CANNOT_TELL, FINDINGS, HEALTHY, print_json
from parjanya_dagster.cli.tenant import COLOURS
from parjanya_dagster.errors import SettingsInvalid

app = typer.Typer(no_args_is_help=True, help="What only an account of AWS can show.")


@app.callback()
def aws() -> None:
    """What only an account of AWS can show."""


@app.command()
def verify(home: Home = None, as_json: Json = False) -> None:
    """Check the account that the settings name: table, indexes, queues, buckets, signed uploads.

    For the first deployment. It writes small probes of its own and takes them away. Exit 0 if all
    is as it must be, 1 where something is an error, 2 where something could not be looked at.
    """
    from parjanya_dagster.aws.bucket_check import Mark

    try:
        from parjanya_dagster.doctor.aws_account import verify as checks
    except ImportError:
        raise SettingsInvalid(
            "AWS needs boto3. Install the extra: pip install 'parjanya[aws]'."
        ) from None
    findings = []
    for finding in checks(platform_of(home)):
        findings.append(finding)
        if as_json:
            continue
        typer.secho(f"{finding.mark:<8}", nl=False, fg=COLOURS[finding.mark])
        typer.echo(f"{finding.name}: {finding.said}")
        if finding.next_step:
            typer.echo(f"        next: {finding.next_step}")
    if as_json:
        print_json([asdict(finding) for finding in findings])
    marks = {finding.mark for finding in findings}
    if Mark.ERROR in marks:
        raise typer.Exit(FINDINGS)
    raise typer.Exit(CANNOT_TELL if Mark.UNKNOWN in marks else HEALTHY)
