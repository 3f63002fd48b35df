"""What was seen of a PostgreSQL server: plain records, keyed by name so that a difference is easy to state.

Names of relations are as SQL would write them (``gold.kpi_volume_daily``, ``gold."Mi Tabla"``), so that a dot in a name
cannot confuse two of them.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from pydantic import Field

from conformance.observe.facts import Attempt, Facts

ROW_LIMIT: Final = 10_000


@lru_cache(maxsize=10_000)
def words(name: str) -> tuple[str, ...]:
    """The words of an identifier, in lower case and without accents: ``FechaCreación_TS`` → fecha, creacion, ts."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    plain = unicodedata.normalize("NFKD", spaced).encode("ascii", "ignore").decode().lower()
    return tuple(re.findall(r"[a-z]+|\d+", plain))


DIMENSION: Final = frozenset(
    words("dim dims dimension dimensions dimensiones lookup lkp cat catalogo ref maestro maestra")
)
FACT: Final = frozenset(words("fact facts fct fac hecho hechos kpi kpis agg mart"))

# Times that tell when a row was loaded or is valid, not when something happened.
_NOT_EVENTS: Final = frozenset(
    words(
        "ingest ingested ingestion load loaded insert inserted update updated modified etl processed audit refreshed"
        " ingesta ingestado carga cargado insertado actualizacion actualizado modificado modificacion procesado"
        " auditoria valid effective vigencia vigente desde hasta"
    )
)


class Column(Facts):
    type: str  # as PostgreSQL writes it: "character varying(20)"
    kind: str  # text | number | time | boolean | enum | json | binary | uuid | other; domains by what they are over
    not_null: bool = False
    commented: bool = False
    generated: str = ""  # identity | sequence | uuid: a key the server makes up; clock: a time it fills in; computed


class Key(Facts):
    """A primary key, unique constraint or unique index that covers every row and is valid."""

    columns: tuple[str, ...]  # in the key's order; an expression is given as its text
    primary: bool = False


class ForeignKey(Facts):
    columns: tuple[str, ...]
    target: str  # the referenced relation
    target_columns: tuple[str, ...]
    validated: bool = True  # existing rows were checked
    enforced: bool = True  # not NOT ENFORCED, and its triggers are enabled


class Check(Facts):
    columns: tuple[str, ...]
    definition: str
    enforced: bool = True


class Index(Facts):
    columns: tuple[str, ...]  # leading first; an expression is given as its text
    method: str = "btree"
    valid: bool = True


class Relation(Facts):
    """A table, view or materialised view; partitions are left to their partitioned table."""

    namespace: str
    name: str
    kind: str  # table | partitioned | view | materialized view | foreign table
    commented: bool = False
    columns: dict[str, Column] = Field(default_factory=dict)
    keys: dict[str, Key] = Field(default_factory=dict)
    foreign_keys: dict[str, ForeignKey] = Field(default_factory=dict)
    checks: dict[str, Check] = Field(default_factory=dict)
    indexes: dict[str, Index] = Field(default_factory=dict)
    rows: int | None = None  # exact below ``ROW_LIMIT``, which stands for itself and more; None: not counted
    values: dict[str, tuple[str, ...]] | None = None  # distinct texts by column of what looks like a list of codes

    @property
    def is_called_dimension(self) -> bool:
        """A word of its name says so: ``dim_channel``, ``DimCanal``, ``cat_municipio``."""
        return bool(DIMENSION & {*words(self.name)})

    @property
    def is_called_fact(self) -> bool:
        """A word of its name says so: ``fact_ticket``, ``hechos_pqrs``, ``kpi_volume_daily``."""
        return bool(FACT & {*words(self.name)})

    @property
    def single_keys(self) -> tuple[str, ...]:
        """Columns that identify a row alone."""
        return tuple(
            key.columns[0] for key in self.keys.values() if len(key.columns) == 1 and key.columns[0] in self.columns
        )

    @property
    def is_code_list(self) -> bool:
        """A short list of texts, not called a fact, each row of which a single column identifies."""
        return self.values is not None and bool(self.single_keys) and not self.is_called_fact

    @property
    def event_times(self) -> tuple[str, ...]:
        """Columns that tell when something happened, rather than when the row was made or loaded, or is valid."""
        return tuple(
            name
            for name, column in self.columns.items()
            if column.kind == "time" and column.generated != "clock" and not _NOT_EVENTS & {*words(name)}
        )


class Schema(Facts):
    commented: bool = False
    relations: int = 0  # tables and views of its own, also where ``Catalogue.relations`` could not hold them all
    of_extensions: bool = False  # extensions alone have made something in it


class Grants(Facts):
    """What a role may do in one schema, its memberships and PUBLIC's rights included."""

    usage: bool = False
    create: bool = False
    select: int = 0  # relations that it may read
    write: int = 0  # relations that it may insert into, update, delete from or truncate


class RoleFacts(Facts):
    login: bool = False
    superuser: bool = False
    schemas: dict[str, Grants] = Field(default_factory=dict)


class OrphanTrial(Facts):
    """A row that points at nothing, offered in a transaction that was rolled back."""

    relation: str
    constraint: str
    refused: bool | None  # None: the trial showed nothing
    detail: str = ""


class RuleTrial(Facts):
    """An impossible value in an otherwise sound row, offered in a transaction that was rolled back.

    It counts only where the same row with a sound value was accepted just before.
    """

    rule: str  # type | status | measure
    relation: str
    column: str
    refused: bool | None  # None: the trial showed nothing
    detail: str = ""


class Catalogue(Facts):
    """The configured database without what belongs to the system or to extensions."""

    schemas: dict[str, Schema] = Field(default_factory=dict)
    relations: dict[str, Relation] = Field(default_factory=dict)
    enums: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    roles: dict[str, RoleFacts] = Field(default_factory=dict)
    orphan_trials: dict[str, OrphanTrial] = Field(default_factory=dict)  # "relation constraint"
    rule_trials: dict[str, RuleTrial] = Field(default_factory=dict)  # "rule relation.column"


class InitScript(Facts):
    """What the repository says about how the database is made."""

    files: tuple[str, ...]
    mounted: bool  # a Compose file mounts it at /docker-entrypoint-initdb.d
    schemas: tuple[str, ...] = ()  # what it creates in the configured database
    problem: str = ""  # why it could not be read to its end


class SecondApply(Facts):
    """The init script on a throw-away server, twice."""

    first: Attempt
    second: Attempt | None = None
    duplicates: dict[str, int] = Field(default_factory=dict)  # relation -> rows that the second time repeated


class PostgresFacts(Facts):
    login: Attempt  # as configured
    complaints: str = ""  # where nobody answers: how its containers are, and their last words
    version: str = ""
    client_address: str = ""  # the kit's, as the server sees it; empty: a Unix socket
    stranger_with_wrong_password: Attempt | None = None  # ok: it was let in
    stranger_without_password: Attempt | None = None
    catalogue: Catalogue | None = None
    catalogue_problem: str = ""  # why there is none
    init_script: InitScript | None = None
    init_errors: tuple[str, ...] = ()  # what the server's log says about the init scripts
    second_apply: SecondApply | None = None
    second_apply_problem: str = ""  # why there is none
