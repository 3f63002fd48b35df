"""PostgreSQL is the catalogue: who gets in, what its script made, what runs left behind."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.medallion import Medallion, Relations, catalogue_of, references, some, tables
from conformance.observe.disruption import DisruptionFacts
from conformance.observe.postgres_model import Column, InitScript, PostgresFacts, Relation, RoleFacts, words
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import cannot_tell, guarantee, holds

# How the words of a column or table of the catalogue of runs begin, in Spanish and English.
STATUS = ("status", "estado", "state", "outcome", "result", "success", "exito", "exitos")
START = (
    "start",
    "creat",
    "cread",
    "begin",
    "began",
    "begun",
    "inici",
    "comienz",
    "launch",
    "desde",
    "arranque",
    "execut",
    "ejecu",
    "ini",
)
END = ("end", "finish", "fin", "stop", "complet", "termin", "hasta", "clos")
QUALITY = (
    "quality", "calidad", "dq", "check", "valid", "test", "prueba", "regla", "rule", "passed", "expect", "assert",
    "anomal", "hallazgo", "severi", "metric",
)  # fmt: skip

WINDOWS = ("\\r", "^M")  # in what the shell says of a script whose lines end as Windows ends them


@guarantee("PGS-01")
def test_postgresql_accepts_the_configured_credentials(postgres: PostgresFacts) -> None:
    said = f"; {postgres.complaints}" if postgres.complaints else ""
    observed = f"PostgreSQL {postgres.version}" if postgres.login.ok else f"{postgres.login.detail}{said}"
    holds(postgres.login.ok, observed=observed, hint=_why_no_login(postgres.login.detail))


@guarantee("PGS-02")
def test_postgresql_refuses_wrong_passwords(postgres: PostgresFacts) -> None:
    strangers = {
        "with a wrong password": postgres.stranger_with_wrong_password,
        "without a password": postgres.stranger_without_password,
    }
    if None in strangers.values():
        cannot_tell("no stranger tried to log in")
    let_in = " and ".join(how for how, stranger in strangers.items() if stranger and stranger.ok)
    if let_in and _is_loopback(postgres.client_address):
        cannot_tell(f"let in from {postgres.client_address or 'a socket'}, whom PostgreSQL's image trusts by default")
    holds(
        not let_in,
        observed=f"a stranger at {postgres.client_address} was let in {let_in}",
        address=postgres.client_address,
    )


@guarantee("PGS-03")
def test_the_init_script_ran(postgres: PostgresFacts) -> None:
    script = _script(postgres)
    missing = [schema for schema in script.schemas if schema not in catalogue_of(postgres).schemas]
    holds(
        not missing,
        observed="; ".join([f"missing schemas: {', '.join(missing)}", *postgres.init_errors[:1]]),
        hint=_why_not_run(postgres, script),
        files=script.files,
        missing=missing,
    )


@guarantee("PGS-04")
def test_the_init_script_can_run_again(postgres: PostgresFacts) -> None:
    applied = postgres.second_apply
    if applied is None or applied.second is None:
        cannot_tell(applied.first.detail if applied else postgres.second_apply_problem or "no init script was seen")
    holds(applied.second.ok, observed=applied.second.detail, hint="error")
    repeated = ", ".join(f"{name} +{count}" for name, count in applied.duplicates.items())
    holds(not repeated, observed=f"rows repeated: {repeated}", hint="duplicates")


@guarantee("PGS-05")
def test_runs_and_data_quality_are_catalogued(postgres: PostgresFacts, params: Parameters) -> None:
    metadata = tables(Medallion(postgres, params).metadata)
    runs = [name for name, relation in metadata.items() if _records_runs(relation)]
    holds(runs, observed=f"no table of runs among: {some(metadata)}", hint="no_runs")
    quality = {name for name, one in metadata.items() if _speaks_of(QUALITY, one.name, *one.columns)}
    referring = {name for name, one in metadata.items() if any(references(one, run) for run in runs if run != name)}
    if referring and not quality:
        cannot_tell(f"{some(referring)}: refers to {some(runs)}, but nothing says that it is about quality")
    observed = f"runs: {some(runs)}; quality: {some(quality)}; with a foreign key to runs: {some(referring)}"
    holds(quality & referring, observed=observed, hint="no_quality")


@guarantee("PGS-06")
def test_objects_are_documented(postgres: PostgresFacts, params: Parameters) -> None:
    objects = dict(_documentable(postgres, Medallion(postgres, params)))
    if not objects:
        cannot_tell("there is nothing to document")
    silent = [name for name, commented in objects.items() if not commented]
    share = 1 - len(silent) / len(objects)
    observed = f"with a comment: {len(objects) - len(silent)} of {len(objects)} ({share:.0%}); without: {some(silent)}"
    holds(
        share >= params.min_comment_share,
        observed=observed,
        minimum=f"{params.min_comment_share:.0%}",
        silent=some(silent),
    )


@guarantee("PGS-07")
def test_the_catalogue_outlives_a_restart(disruption: DisruptionFacts) -> None:
    restart = disruption.postgres_restart
    if restart is None or not restart.probe_written.ok:
        cannot_tell(restart.probe_written.detail if restart else "PostgreSQL was not restarted")
    observed = f"after the restart: login {restart.restarted}, row read back {restart.read_back}; {restart.detail}"
    holds(restart.restarted and restart.read_back, observed=observed, hint=None if restart.restarted else "gone")


@guarantee("PGS-08")
def test_readers_cannot_write(postgres: PostgresFacts, params: Parameters) -> None:
    medallion = Medallion(postgres, params)
    readers = {
        name: role for name, role in medallion.catalogue.roles.items() if _reads(role, medallion.schemas("gold"))
    }
    holds(readers, observed=f"roles that may read gold: 0 of {len(medallion.catalogue.roles)}", hint="no_reader")
    excess = {name: list(_excess(role, medallion)) for name, role in readers.items()}
    observed = "; ".join(f"{name}: {', '.join(found)}" for name, found in excess.items())
    holds(not all(excess.values()), observed=observed, hint="too_much")


def _why_not_run(postgres: PostgresFacts, script: InitScript) -> str:
    if any(sign in error for error in postgres.init_errors for sign in WINDOWS):
        return "windows"
    return "script_error" if postgres.init_errors else "old_volume" if script.mounted else "not_mounted"


def _why_no_login(detail: str) -> str | None:
    causes = {
        "password authentication failed": "password",
        "does not exist": "missing",
        "no password supplied": "password",
        "connection refused": "closed",
        "timeout": "closed",
        "starting up": "starting",
    }
    return next((hint for words, hint in causes.items() if words in detail.lower()), None)


def _is_loopback(address: str) -> bool:
    return not address or address.startswith("127.") or address == "::1"


def _script(postgres: PostgresFacts) -> InitScript:
    script = postgres.init_script
    if script is None or script.problem or not script.schemas:
        cannot_tell(
            script.problem or f"{', '.join(script.files)}: creates no schema" if script else "no init script was seen"
        )
    return script


def _speaks_of(stems: tuple[str, ...], *names: str) -> bool:
    return any(word.startswith(stems) for name in names for word in words(name))


def _records_runs(relation: Relation) -> bool:
    """A table with a primary key, a status, a time of start and a time of end."""

    def has(stems: tuple[str, ...], *, time: bool) -> bool:
        return any(_speaks_of(stems, name) and _is_time(column) == time for name, column in relation.columns.items())

    keyed = any(key.primary for key in relation.keys.values())
    return keyed and has(STATUS, time=False) and has(START, time=True) and has(END, time=True)


def _is_time(column: Column) -> bool:
    return column.kind == "time"


def _documentable(postgres: PostgresFacts, medallion: Medallion) -> Iterator[tuple[str, bool]]:
    """Schemas, tables, views, and the tables' columns: of the layers, of metadata and of what the script made.

    What other programs keep in the same database (Metabase's tables, say) is theirs to document.
    """
    script = set(postgres.init_script.schemas) if postgres.init_script else set()
    relations: Relations = medallion.layer("bronze", "silver", "gold") | medallion.metadata
    schemas = script | {relation.namespace for relation in relations.values()}
    for name, schema in medallion.catalogue.schemas.items():
        if name in schemas and not schema.of_extensions:
            yield name, schema.commented
    for full_name, relation in medallion.catalogue.relations.items():
        if relation.namespace in schemas:
            yield full_name, relation.commented
            for name, column in relation.columns.items() if relation.kind in {"table", "partitioned"} else ():
                yield f"{full_name}.{name}", column.commented


def _reads(role: RoleFacts, gold: tuple[str, ...]) -> bool:
    grants = (role.schemas.get(schema) for schema in gold)
    return not role.superuser and any(one and one.usage and one.select for one in grants)


def _excess(role: RoleFacts, medallion: Medallion) -> Iterator[str]:
    """What a reader of gold should not be able to do."""
    layered = {schema for layer in ("bronze", "silver", "gold") for schema in medallion.schemas(layer)}
    for schema, grants in role.schemas.items():
        if grants.usage and grants.write:
            yield f"writes in {schema}"
        if grants.create and schema in layered:
            yield f"creates in {schema}"
        if grants.usage and grants.select and schema in medallion.schemas("bronze"):
            yield f"reads {schema}"
