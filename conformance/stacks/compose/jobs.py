"""Which services of a Compose model are jobs: they prepare something for the others, and end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from conformance.stacks.base import ComposeModel, Role
from conformance.stacks.compose.programs import processes
from conformance.stacks.compose.service import ports, words

_NAME = re.compile(
    r"(?<![a-z])(init(ializer)?|inicia(r|l|lizar|lizador)?|setup|bootstrap|migra(te|tions?|ciones|cion|r)|seed|semillas?"
    r"|create|crear|carga(r|dor)?|load(er)?(?!-balanc)|registrar|register|deploy|jobs?|buckets?)(?![a-z])",
    re.I,
)
_PROGRAM = re.compile(
    r"mc|rc|aws|awslocal|s3cmd|rclone|psql|pg_dump|pg_restore|createdb|alembic|flyway|liquibase|dbt|curl|wget|echo"
    r"|ch(own|mod)|mkdir|cp|true"
)


def why_job(model: ComposeModel, name: str) -> str:
    """Why the service is taken for a job; empty when it is to stay up."""
    services = _mapping(model.resolved.get("services"))
    for other, told in services.items():
        how = _mapping(_mapping(_mapping(told).get("depends_on")).get(name))
        if how.get("condition") == "service_completed_successfully":
            return f"{other} waits until it has completed"
    service = _mapping(services.get(name))
    restart = str(service.get("restart") or "no")
    has_role = any(one.service == name and one.role is not Role.OTHER for one in model.findings)
    if has_role or ports(service) or not (restart == "no" or restart.startswith("on-failure")):
        return ""
    if word := _NAME.search(name):
        return f"its name says {word[0]}, and nothing restarts or publishes it"
    programs = [
        process[0] for process in processes((*words(service.get("entrypoint")), *words(service.get("command"))))
    ]
    if programs and all(map(_PROGRAM.fullmatch, programs)):
        return f"it runs {programs[0]}, and nothing restarts or publishes it"
    return ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
