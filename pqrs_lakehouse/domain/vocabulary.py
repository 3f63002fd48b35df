"""The words of the PQRS domain, each tuple in the order of its dimension keys (the first has key 1).

Sources: Ley 1437 de 2011 arts. 13-14 (types of petition), docs/data-rules.md (codes).
"""

from __future__ import annotations

from typing import Final

EVENT_TYPES: Final = ("TICKET_CREATED", "MESSAGE_ADDED", "STATUS_CHANGED", "ATTACHMENT_ADDED")
CHANNELS: Final = ("email", "webform", "chat", "call", "other_digital")
PQRS_TYPES: Final = ("P", "Q", "R", "S")
PETITION_KINDS: Final = ("general", "information", "consultation")
PRIORITIES: Final = ("alta", "media", "baja")
AUTHOR_ROLES: Final = ("citizen", "agent", "system")
STATUSES: Final = (
    "RECEIVED",
    "RADICATED",
    "CLASSIFIED",
    "ASSIGNED",
    "IN_PROGRESS",
    "ON_HOLD",
    "RESPONDED",
    "CLOSED",
    "ARCHIVED",
    "REOPENED",
)
SLA_STATES: Final = ("MET", "LATE", "SUSPENDED", "PENDING", "OVERDUE")

NAMES_ES: Final[dict[str, str]] = {
    "email": "Correo electrónico",
    "webform": "Formulario web",
    "chat": "Chat",
    "call": "Llamada telefónica",
    "other_digital": "Otro canal digital",
    "P": "Petición",
    "Q": "Queja",
    "R": "Reclamo",
    "S": "Sugerencia",
    "alta": "Alta",
    "media": "Media",
    "baja": "Baja",
    "RECEIVED": "Recibida",
    "RADICATED": "Radicada",
    "CLASSIFIED": "Clasificada",
    "ASSIGNED": "Asignada",
    "IN_PROGRESS": "En trámite",
    "ON_HOLD": "En espera del ciudadano",
    "RESPONDED": "Respondida",
    "CLOSED": "Cerrada",
    "ARCHIVED": "Archivada",
    "REOPENED": "Reabierta",
}
"""What people call each code (the names of the dimensions)."""
