"""What a profile may tune: policy as data, so that checks hold none."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

LAYERS = ("bronze", "silver", "gold")
PORTS = {
    "postgresql": 5432,
    "s3": 9000,
    "dask": 8786,
    "dashboard": 8787,
    "prefect": 4200,
    "prometheus": 9090,
    "grafana": 3001,
}
"""The class's ports, by the protocol that is spoken there."""


class Parameters(BaseModel):
    """Thresholds and synonyms that checks read. Every profile may override any of them under ``[parameters]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: dict[str, tuple[str, ...]] = Field(
        default={
            "bronze": ("bronze", "bronce", "raw", "landing"),
            "silver": ("silver", "plata", "staging"),
            "gold": ("gold", "oro", "marts", "analytics"),
        },
        description="schema names accepted for each layer of the medallion",
    )
    metadata_schemas: tuple[str, ...] = ("meta", "metadata", "catalog", "catalogo", "control")
    min_dimensions: int = Field(default=4, ge=1)
    min_facts: int = Field(default=1, ge=1)
    min_comment_share: float = Field(default=0.8, ge=0, le=1)
    require_foreign_keys: bool = Field(default=True, description="MED-04: false accepts conformed key columns")
    min_workers: int = Field(default=2, ge=1)
    memory_limited_planes: tuple[str, ...] = Field(
        default=("compute",), description="CMP-08: planes whose containers need a memory limit"
    )
    min_departments: int = Field(default=5, ge=1, description="MED-05: distinct places that the seeds must hold")
    polars_major: int = 2
    ports: dict[str, int] = Field(
        default=PORTS, description="CMP-10: where the host publishes what; a protocol left out is not asked for"
    )
    scrape_roles: tuple[str, ...] = Field(
        default=("dask_scheduler",), description="PRM-03: roles that Prometheus watches"
    )
    min_dashboards: int = Field(default=1, ge=1, description="GRF-05: dashboards that files provision")
    panels_return_data: bool = Field(default=False, description="GRF-06: every panel's queries bring data")
    refuse_factory_login: bool = Field(default=False, description="GRF-08: admin/admin is not let in")
    max_persisted_kib: int = Field(default=256, ge=0, description="PLN-07: what Prefect may keep of a run's results")
    store_starts_empty: bool = Field(default=False, description="E2E-01: there were no PQRS before the kit's own")

    @model_validator(mode="after")
    def knows_every_port(self) -> Self:
        if unknown := self.ports.keys() - PORTS.keys():
            raise ValueError(f"ports: {min(unknown)} is none of {', '.join(PORTS)}")
        return self

    @model_validator(mode="after")
    def names_every_layer(self) -> Self:
        if sorted(self.layers) != sorted(LAYERS) or not all(self.layers.values()):
            raise ValueError(f"layers must name the schemas of {', '.join(LAYERS)}, and of no other")
        return self
