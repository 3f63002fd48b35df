"""The repository reflects the planes."""

from __future__ import annotations

import re

from conformance.observe.compose_facts import ComposeFacts
from conformance.observe.source import SourceFacts
from conformance.verdict.words import cannot_tell, guarantee, holds

# What the shell or Compose itself gives: a sample of a .env cannot know it.
_OF_THE_SHELL = re.compile(
    r"(COMPOSE|DOCKER|XDG|SSH)_.*|(OLD)?PWD|HOME|USER(NAME|PROFILE)?|LOGNAME|U?UID|E?GID|HOST(NAME)?|SHELL|PATH|TE?MP(DIR)?"
    r"|DISPLAY|CI|(HTTPS?|NO|ALL|FTP)_PROXY",
    re.IGNORECASE,
)
_INFRASTRUCTURE = re.compile(
    r"infra(e?structur[ae])?|deploy(ments?)?|despliegue|docker|ops|platform|plataforma|environments?|configs?|k8s|kubernetes|local",
    re.IGNORECASE,
)


@guarantee("SRC-01")
def test_there_is_a_compose_file_and_it_resolves(compose: ComposeFacts) -> None:
    holds(
        compose.file and not compose.problem,
        observed=compose.problem or "no Compose file",
        hint=None if compose.file else "not_found",
        file=compose.file or "infra/local/docker-compose.yml",
    )


@guarantee("SRC-02")
def test_the_folders_mirror_the_architecture(source: SourceFacts, compose: ComposeFacts) -> None:
    misplaced = ", ".join(source.misplaced)
    holds(not misplaced, observed=misplaced, hint="mixed", files=misplaced)
    if source.truncated:
        cannot_tell(f"{source.files} files were read, and there are more")
    folders = ", ".join(source.folders) or "-"
    holds(_infrastructure(source, compose), observed=f"folders: {folders}", hint="flat", files=compose.file)


@guarantee("SRC-03")
def test_every_variable_is_documented(compose: ComposeFacts) -> None:
    documented = set(compose.documented)
    missing = [
        variable.name
        for variable in compose.variables
        if not ({variable.name, variable.instead_of} & documented or _OF_THE_SHELL.fullmatch(variable.name))
    ]
    holds(
        not missing,
        observed=f"not in {compose.env_example or 'any sample of a .env'}: {', '.join(missing)}",
        hint=None if compose.env_example else "no_example",
        file=compose.env_example or ".env.example",
        missing=missing,
    )


@guarantee("SRC-04")
def test_no_real_env_key_or_dump_is_committed(source: SourceFacts) -> None:
    found = source.env_files + source.key_files + source.dump_files
    holds(not found, observed=", ".join(found), files=", ".join(found))
    if source.truncated:
        cannot_tell(f"among the first {source.files} files there is none; more were not read")


@guarantee("SRC-05")
def test_secrets_come_from_the_environment(compose: ComposeFacts) -> None:
    places = [f"{name}: {place}" for name, service in compose.services.items() for place in service.literal_secrets]
    places += compose.secrets
    holds(not places, observed="; ".join(places), places=places)


@guarantee("SRC-06")
def test_architecture_decisions_are_recorded(source: SourceFacts) -> None:
    if source.truncated:
        cannot_tell(f"{source.files} files were read, and there are more")
    holds(source.adrs, observed="ADR: 0", hint="no_adr")
    holds(not source.broken_links, observed="; ".join(source.broken_links), hint="broken_links")


def _infrastructure(source: SourceFacts, compose: ComposeFacts) -> bool:
    """Whether infrastructure has a folder: by its name, with the Compose file in it, or with what services mount."""
    mounted = (mount for service in compose.services.values() for mount in service.mounts if mount.configuration)
    return (
        "/" in compose.file
        or any(_INFRASTRUCTURE.fullmatch(folder) for folder in source.folders)
        or any("/" in mount.source or mount.source in source.folders for mount in mounted if mount.in_repository)
    )
