"""Where the reference's own files are: the SQL, the infrastructure."""

from __future__ import annotations

from pathlib import Path


def root() -> Path:
    """The checkout's root when ``sql/`` stands beside the package, else ``_reference`` inside the installed wheel."""
    package = Path(__file__).resolve().parent
    checkout = package.parent
    return checkout if (checkout / "sql" / "init-postgres.sql").is_file() else package / "_reference"
