"""`parjanya doctor`: what is wrong, at which boundary, and the next step."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from parjanya_dagster.cli import health
from parjanya_dagster.cli.options import Home, Json, OneTenant, answering_platform_of
from parjanya_dagster.cli.output import (
    ATTENTION,
    BAD,
    CANNOT_TELL,
    FINDINGS,
    HEALTHY,
    Line,
    print_error,
    print_json,
    second,
)
from parjanya_dagster.errors import ParjanyaError

if TYPE_CHECKING:
    from parjanya_dagster.doctor.findings import Finding

STATUS = {HEALTHY: "healthy", FINDINGS: "findings", CANNOT_TELL: "cannot_tell"}


def doctor(
    home: Home = None,
    tenant: OneTenant = None,
    as_json: Json = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only whether Truth answers: a container's health.")
    ] = False,
    maintenance: Annotated[
        bool, typer.Option("--maintenance", help="The checklist of what goes wrong unattended.")
    ] = False,
) -> None:
    """What is wrong, at which boundary, and the next step. Exit 0 healthy, 1 findings, 2 unknown.

    What could not be read is named. Findings are printed then too, and the exit status is 2.
    """
    if quick or maintenance:
        raise typer.Exit((health.quick if quick else health.maintenance)(home, as_json))
    from parjanya_dagster.doctor.instance import examined

    findings: Sequence[Finding] = ()
    line = Line()
    line("opening Truth …")
    try:
        platform = answering_platform_of(home)
        if tenant is not None:
            platform.tenant(tenant)
        findings, facts = examined(platform, tenant, lambda part: line(f"looking at {part} …"))
        unread = dict(facts.unread)
    except ParjanyaError as error:
        unread = {"Truth": str(error)}
    except Exception as error:  # a doctor that falls over has not found health
        unread = {"Truth": f"{type(error).__name__}: {error}"}
    line.clear()
    status = CANNOT_TELL if unread else FINDINGS if findings else HEALTHY
    if as_json:
        listed = [asdict(finding) for finding in findings]
        print_json({"status": STATUS[status], "findings": listed, "could_not_read": unread})
    else:
        _print(findings, unread)
    raise typer.Exit(status)


def _print(findings: Sequence[Finding], unread: Mapping[str, str]) -> None:
    for finding in findings:
        colour = BAD if finding.severity == "error" else ATTENTION
        typer.secho(f"{finding.boundary}: {finding.code}", fg=colour, bold=True)
        typer.echo(f"  {finding.summary}")
        if finding.since is not None:
            lasted = time.time() - finding.since
            typer.echo(f"  since {second(finding.since)} UTC ({lasted:.0f} s)")
        if finding.evidence:
            evidence = (f"{name} {value}" for name, value in finding.evidence.items())
            typer.echo("  " + ", ".join(evidence))
        typer.echo(f"  next: {finding.next_step}")
    for part, reason in unread.items():
        print_error(f"Could not read {part}: {reason}")
    if unread:
        typer.echo("Cannot tell whether it is healthy: not everything could be read.")
    elif not findings:
        typer.echo("Healthy: nothing is missing, stuck or blind.")
