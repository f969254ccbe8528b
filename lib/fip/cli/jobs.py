"""`fip submit`, `fip jobs` and `fip cancel`: work for a ventilator that runs as a daemon."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from fip.cli.app import ConfigOption, app, console, say
from fip.cli.run_options import with_settings
from fip.config import Config, Settings, load
from fip.data.arriving import Writing
from fip.data.errors import UsageError
from fip.data.needs import with_whole_paths

VentilatorOption = Annotated[
    str | None,
    typer.Option(metavar="ADDR", help="The ventilator's control address, as tcp://head:5557.  [default: --config's]"),
]


@app.command("submit")
@with_settings
def submit_command(
    measurement_sets: Annotated[
        list[Path], typer.Argument(metavar="MS...", help="MeasurementSets, at paths that the ventilator's host has.")
    ],
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it is over: exit code 0 if every slice is stored, else 1.")
    ] = False,
    ventilator: VentilatorOption = None,
    config: ConfigOption = None,
    *,
    settings: Settings,
) -> None:
    """Have a running ventilator image MeasurementSets, into a folder of the job's name in the sink's directory."""
    from fip.client.operator import Operator, new_job, pointed
    from fip.local import submitted
    from fip.local.joining import joined
    from fip.local.run import follow_of
    from fip.local.user_code import with_beam

    loaded = settings.load(config, pointed(config, ventilator))
    paths, source = joined(measurement_sets, loaded.config.source)
    asked, follow = loaded.config.model_copy(update={"source": source}).asked, follow_of(loaded.config)
    asked = replace(asked, imaging=with_beam(asked.imaging), source=with_whole_paths(asked.source))
    submitted.check_here(paths, asked, Writing(follow.rules) if follow else None)
    pace = loaded.config.ventilator.pace if "ventilator.pace" in settings.typed else None
    submit = new_job(paths, asked, pace=pace, follow=follow)
    with Operator(loaded.config) as operator:
        job = operator.submit(submit)
        if job.state == "failed":
            raise UsageError(job.reason)
        if wait:
            raise typer.Exit(submitted.wait(operator, job, console, say))
        say(job.job)


@app.command("jobs")
def jobs_command(
    json: Annotated[bool, typer.Option("--json", help="As JSON, a list of objects.")] = False,
    ventilator: VentilatorOption = None,
    config: ConfigOption = None,
) -> None:
    """List the jobs of a running ventilator: queued, running, and the last that ended."""
    from fip.client.operator import Operator
    from fip.terminal.jobs import as_json, as_table

    with Operator(_pointed(config, ventilator)) as operator:
        jobs = operator.status().jobs
    say(as_json(jobs) if json else as_table(jobs, time.time()))


@app.command("cancel")
def cancel_command(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Its name, as `fip jobs` lists it.")],
    ventilator: VentilatorOption = None,
    config: ConfigOption = None,
) -> None:
    """End a job; what is stored stays."""
    from fip.client.operator import Operator

    with Operator(_pointed(config, ventilator)) as operator:
        ended = operator.cancel(job)
    say(f"{ended.job}: {ended.state}")


def _pointed(config: Path | None, ventilator: str | None) -> Config:
    """The configuration, pointed at this ventilator."""
    from fip.client.operator import pointed

    return load(config, pointed(config, ventilator)).config
