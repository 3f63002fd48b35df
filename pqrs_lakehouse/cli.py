"""``pqrs-lakehouse``: generate PQRS, run the pipeline, look at the catalogue.

What people get wrong, and services that do not answer, end with one line on stderr and exit code 2.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pqrs_lakehouse.settings import Settings, SettingsError

if TYPE_CHECKING:
    from rich.console import Console

    from pqrs_lakehouse.generator import Delivery, GeneratorConfig

STATUS_STYLES = {
    "SUCCESS": "green",
    "PASS": "green",
    "RUNNING": "yellow",
    "WARN": "yellow",
    "FAILED": "red",
    "FAIL": "red",
}
DAY = click.DateTime(["%Y-%m-%d"])


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """The reference lakehouse for PQRS. Services are reached by the settings of the environment or a .env file."""


def _check_run_id(_context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
    """A callback of options and arguments that hold one run id, several, or none."""
    from pqrs_lakehouse.layers.raw import manifest_key

    for run_id in [value] if isinstance(value, str) else value or ():
        try:
            manifest_key(run_id)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return value


@cli.command("init-db")
def init_db() -> None:
    """Make the schemas, tables and seeds in PostgreSQL; again changes nothing."""
    from pqrs_lakehouse import warehouse

    settings = Settings.from_env()
    warehouse.init_db(settings)
    click.echo(f"{settings.postgres_db} at {settings.postgres_host}:{settings.postgres_port} is ready")


@cli.command("init-lake")
def init_lake() -> None:
    """Make the lake's bucket in the object store; again changes nothing."""
    from pqrs_lakehouse.lake import Lake

    settings = Settings.from_env()
    Lake(settings).make_bucket()
    click.echo(f"{settings.lake_bucket} at {settings.s3_endpoint_url} is ready")


@cli.command()
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--start", type=DAY, required=True, help="First day.")
@click.option("--end", type=DAY, required=True, help="Last day.")
@click.option("--events", type=int, help="About how many events, before dirt.")
@click.option("--tickets-per-day", type=float, help="Mean of an average week, in place of --events.")
@click.option(
    "--spike", "spikes", multiple=True, metavar="DAY=FACTOR", help="A day with more tickets; may be repeated."
)
@click.option("--clean", is_flag=True, help="No dirt: every event once, whole, on its day, in order.")
@click.option("--run-id", callback=_check_run_id, help="Name of the delivery; by default made from the configuration.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="A local folder in place of the lake.")
def generate(
    seed: int,
    start: datetime,
    end: datetime,
    events: int | None,
    tickets_per_day: float | None,
    spikes: tuple[str, ...],
    clean: bool,
    run_id: str | None,
    out: Path | None,
) -> None:
    """Generate PQRS and deliver them as raw files; the same options give the same bytes."""
    from pqrs_lakehouse.generator import DirtRates, GeneratorConfig
    from pqrs_lakehouse.generator import generate as deliveries_of
    from pqrs_lakehouse.lake import Lake, config_hash, write_raw_files

    if (events is None) == (tickets_per_day is None):
        raise click.UsageError("say either --events or --tickets-per-day")
    options: dict[str, Any] = {
        "seed": seed,
        "start": start.date(),
        "end": end.date(),
        "spikes": dict(map(_spike, spikes)),
        "dirt": DirtRates.none() if clean else DirtRates(),
    }
    try:
        if events is None:
            config = GeneratorConfig(tickets_per_day=tickets_per_day or 0, **options)
        else:
            config = GeneratorConfig.for_events(events, **options)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    run_id = run_id or f"seed-{seed}-{config_hash(config)[:12]}"
    generation = deliveries_of(config)
    with _days(config, generation) as deliveries:
        if out is None:
            manifest = Lake(Settings.from_env()).write_raw(deliveries, run_id, config)
        else:
            manifest = write_raw_files(deliveries, run_id, out, config)
    planted = generation.planted
    click.echo(
        f"{run_id}: {manifest.rows:,} rows in {len(manifest.files):,} files ({manifest.size / 1e6:,.1f} MB), "
        f"{planted.tickets:,} tickets, {planted.duplicates:,} duplicates, {planted.malformed.total():,} malformed rows"
    )


@cli.command()
@click.argument("run_ids", nargs=-1, metavar="[RUN_ID]...", callback=_check_run_id)
@click.option(
    "--as-of", type=DAY, help="Day on which the states of terms are told; by default the last day of arrival."
)
@click.option("--through-prefect", is_flag=True, help="Have a Prefect worker run the deployment.")
@click.option("--timeout", type=float, default=3600, show_default=True, help="Seconds to wait for each Prefect run.")
def run(run_ids: tuple[str, ...], as_of: datetime | None, through_prefect: bool, timeout: float) -> None:
    """Take deliveries through all layers: those that are named, or all that have not succeeded yet."""
    from pqrs_lakehouse import catalog
    from pqrs_lakehouse.lake import Lake

    settings = Settings.from_env()
    if not run_ids:
        done = catalog.succeeded(settings)
        run_ids = tuple(run_id for run_id in Lake(settings).delivered() if run_id not in done)
    for run_id in run_ids:
        rows = (_run_through_prefect if through_prefect else _run_here)(
            settings, run_id, as_of and as_of.date(), timeout
        )
        click.echo(f"{run_id}: {rows}")
    if not run_ids:
        click.echo("nothing to do: every delivery has been run")


@cli.command()
@click.argument("run_id", required=False)
def status(run_id: str | None) -> None:
    """Show the last runs, and the layers and the quality of one (by default the last)."""
    from rich.console import Console

    from pqrs_lakehouse import catalog

    settings = Settings.from_env()
    runs = catalog.runs(settings)
    console = Console()
    _table(console, "Runs", runs)
    shown = run_id or (runs[0]["run_id"] if runs else None)
    if shown:
        _table(console, f"Layers of {shown}", catalog.datasets_of(settings, shown))
        _table(console, f"Quality of {shown}", catalog.quality_of(settings, shown))


@cli.command()
@click.option(
    "--pool", default="default", show_default=True, help="Work pool of type process; made unless it is there."
)
def deploy(pool: str) -> None:
    """Register the pipeline with Prefect."""
    from pqrs_lakehouse import flows

    deployment = flows.deploy(Settings.from_env(), pool)
    click.echo(f"{flows.FLOW}/{flows.DEPLOYMENT} ({deployment}) waits for a worker: prefect worker start --pool {pool}")


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
def metrics(host: str, port: int) -> None:
    """Tell Prometheus of runs, quality and terms until ended.

    Logs in to PostgreSQL as libpq's environment says (PGHOST, PGUSER, PGPASSWORD, PGDATABASE), so that it can be given
    a login that only reads.
    """
    from pqrs_lakehouse.metrics import serve

    serve(host, port)


def main() -> None:
    """The console script."""
    try:
        sys.exit(cli.main(standalone_mode=False))
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.Abort:
        _fail("stopped")
    except click.ClickException as error:
        _fail(error.format_message())
    except _expected() as error:
        _fail(_one_line(error))


def _expected() -> tuple[type[Exception], ...]:
    """Errors that are the world's or the user's, not the program's."""
    from pqrs_lakehouse.catalog import CatalogError

    expected: list[type[Exception]] = [SettingsError, OSError, CatalogError]
    for module, names in (
        ("psycopg", ("Error",)),
        ("botocore.exceptions", ("BotoCoreError", "ClientError")),
        ("pqrs_lakehouse.lake", ("LakeError",)),
        ("pqrs_lakehouse.compute", ("PipelineError",)),
        ("pqrs_lakehouse.flows", ("OrchestrationError",)),
    ):
        if module in sys.modules:  # what was not imported did not fail
            expected += [getattr(sys.modules[module], name) for name in names]
    return tuple(expected)


def _one_line(error: Exception) -> str:
    import psycopg

    text = str(error)
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        text = error.diag.message_primary
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
        text += " (run pqrs-lakehouse init-db first)"
    return " ".join(text.split()) or type(error).__name__


def _fail(message: str) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(2)


def _spike(text: str) -> tuple[date, float]:
    day, _, factor = text.partition("=")
    try:
        return date.fromisoformat(day), float(factor)
    except ValueError:
        raise click.UsageError(f"--spike must be like 2026-03-02=4, not {text!r}") from None


def _run_here(settings: Settings, run_id: str, as_of: date | None, _timeout: float) -> str:
    from pqrs_lakehouse.compute import run_pipeline

    with _bars() as progress:
        report = run_pipeline(settings, run_id, as_of, progress)
    return f"as of {report.as_of}, rows written: " + ", ".join(f"{s.layer} {s.rows_out:,}" for s in report.stages)


def _run_through_prefect(settings: Settings, run_id: str, as_of: date | None, timeout: float) -> str:
    from pqrs_lakehouse import flows

    ended = flows.run_deployment(settings, run_id, as_of, timeout_s=timeout)
    if not ended.completed:
        raise flows.OrchestrationError(f"flow run {ended.id} of {run_id} is {ended.state}: {ended.message}")
    return f"flow run {ended.id} completed"


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """Bars by name, shown as soon as there is one: update one by its name, with how much is done and of how much."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bars = Progress(*columns, console=Console(stderr=True))
    known: dict[str, Any] = {}

    def update(name: str, done: int, total: int) -> None:
        if name not in known:
            bars.start()
            known[name] = bars.add_task(name)
        bars.update(known[name], completed=done, total=total)

    try:
        yield update
    finally:
        if known:
            bars.stop()


@contextmanager
def _days(config: GeneratorConfig, generation: Iterator[Delivery]) -> Iterator[Iterator[Delivery]]:
    """The deliveries, with a bar that counts their days."""
    days = (config.end - config.start).days + 1
    with _bars() as update:

        def deliveries() -> Iterator[Delivery]:
            for delivery in generation:
                update("generate", (delivery.day - config.start).days + 1, days)
                yield delivery

        yield deliveries()


def _table(console: Console, title: str, rows: list[dict[str, Any]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name, value in (rows[0] if rows else {"": None}).items():
        table.add_column(name, justify="right" if isinstance(value, int) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_text(value)) for value in row.values()), style=STATUS_STYLES.get(row.get("status", "")))
    console.print(table)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value)
