"""The PQRS domain as people seed it, in Spanish or English: what a list of values is a list of.

Sources: Ley 1437 de 2011 art. 13 (types), DIVIPOLA of DANE (departments and their capitals).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from conformance.checks.medallion import tables
from conformance.observe.postgres_model import Catalogue, words

MAX_CODES = 60  # a longer list is none of types, channels or statuses

# How the words of a value begin; "carta." is that whole word (and not Cartagena), a single letter the whole value.
TYPES: Mapping[str, tuple[str, ...]] = {
    "P": ("p", "peticion", "petition", "solicitud", "request"),
    "Q": ("q", "queja", "complain"),
    "R": ("r", "reclam", "claim", "grievance"),
    "S": ("s", "sugerenc", "suggest"),
}
CHANNELS: Mapping[str, tuple[str, ...]] = {
    "mail": ("email", "mail", "correo"),
    "phone": ("phone", "telephone", "call", "telefon", "llamada", "sms"),
    "web": ("web", "portal", "form", "online", "sitio", "pagina", "virtual"),
    "chat": ("chat", "whatsapp", "messag", "mensaj"),
    "counter": ("presencial", "ventanilla", "oficina", "office", "counter", "person", "punto.", "kiosco"),
    "letter": ("carta.", "cartas.", "letter", "fisic", "postal", "escrit", "buzon"),
    "social": ("social", "redes", "facebook", "instagram", "twitter"),
    "app": ("app", "movil", "mobile"),
}
STATUSES: Mapping[str, tuple[str, ...]] = {
    "begun": (
        "recib", "receiv", "new", "nuev", "open", "abiert", "creat", "cread", "radica", "regist", "pend", "submit",
        "ingres", "inici", "start", "activ", "queue", "espera", "todo.", "atender.",
    ),
    "ended": (
        "respon", "answer", "contest", "resol", "resuel", "clos", "cerr", "archiv", "final", "complet", "done",
        "atendid", "solucion", "termin", "conclu", "tramitad", "gestionad", "finish", "solved",
    ),
}  # fmt: skip
DEPARTMENTS: Mapping[str, tuple[str, ...]] = {
    "05": ("antioquia", "medellin"),
    "08": ("atlantico", "barranquilla"),
    "11": ("bogota", "bogota d c", "bogota dc", "santafe de bogota", "distrito capital", "bogota distrito capital"),
    "13": ("bolivar", "cartagena", "cartagena de indias"),
    "15": ("boyaca", "tunja"),
    "17": ("caldas", "manizales"),
    "18": ("caqueta", "florencia"),
    "19": ("cauca", "popayan"),
    "20": ("cesar", "valledupar"),
    "23": ("cordoba", "monteria"),
    "25": ("cundinamarca",),
    "27": ("choco", "quibdo"),
    "41": ("huila", "neiva"),
    "44": ("la guajira", "guajira", "riohacha"),
    "47": ("magdalena", "santa marta"),
    "50": ("meta", "villavicencio"),
    "52": ("narino", "pasto", "san juan de pasto"),
    "54": ("norte de santander", "cucuta", "san jose de cucuta"),
    "63": ("quindio", "armenia"),
    "66": ("risaralda", "pereira"),
    "68": ("santander", "bucaramanga"),
    "70": ("sucre", "sincelejo"),
    "73": ("tolima", "ibague"),
    "76": ("valle del cauca", "valle", "cali", "santiago de cali"),
    "81": ("arauca",),
    "85": ("casanare", "yopal"),
    "86": ("putumayo", "mocoa"),
    "88": ("san andres", "san andres y providencia", "archipielago de san andres providencia y santa catalina"),
    "91": ("amazonas", "leticia"),
    "94": ("guainia", "inirida"),
    "95": ("guaviare", "san jose del guaviare"),
    "97": ("vaupes", "mitu"),
    "99": ("vichada", "puerto carreno"),
}
_BY_PLACE = {name: code for code, names in DEPARTMENTS.items() for name in names}


def missing_types(catalogue: Catalogue) -> list[str]:
    """The types that no list holds beside the others: the list that holds most of them counts."""
    return min((sorted(TYPES.keys() - found) for found in _found(catalogue, TYPES)), key=len, default=sorted(TYPES))


def channels(catalogue: Catalogue) -> int:
    """How many kinds of channel one list holds."""
    return max((len(found) for found in _found(catalogue, CHANNELS)), default=0)


def has_statuses(catalogue: Catalogue) -> bool:
    """Whether one list holds a status at which a ticket begins and one at which it ends."""
    return any(found == STATUSES.keys() for found in _found(catalogue, STATUSES))


def departments(catalogue: Catalogue) -> int:
    """How many departments the places in the tables' texts lie in: by name, by capital or by DIVIPOLA code."""
    return len(
        {
            code
            for relation in tables(catalogue.relations).values()
            for column, values in (relation.values or {}).items()
            for value in values
            if (code := _department(column, value))
        }
    )


def _found(catalogue: Catalogue, families: Mapping[str, tuple[str, ...]]) -> Iterator[set[str]]:
    for values in _lists(catalogue):
        yield {family for family, stems in families.items() if any(_is_one(value, stems) for value in values)}


def _lists(catalogue: Catalogue) -> Iterator[tuple[str, ...]]:
    """The lists of values: enums; columns that repeat no value; and every column of a table called a dimension.

    A column that repeats its values uses a list and is none: the types in a table of legal terms are not the list of
    types.
    """
    yield from catalogue.enums.values()
    for relation in tables(catalogue.relations).values():
        for values in (relation.values or {}).values():
            if 0 < len(values) <= MAX_CODES and (len(values) == relation.rows or relation.is_called_dimension):
                yield values


def _is_one(value: str, stems: tuple[str, ...]) -> bool:
    told = words(value)
    begins = tuple(stem for stem in stems if len(stem) > 1)
    return (len(told) == 1 and told[0] in stems) or any(f"{word}.".startswith(begins) for word in told)


def _department(column: str, value: str) -> str | None:
    if value.isascii() and value.isdigit():
        told = " ".join(words(column))
        coded = len(value) == 5 or (len(value) == 2 and any(w in told for w in ("dep", "dpto", "dane", "divipola")))
        return value[:2] if coded and value[:2] in DEPARTMENTS else None
    return _BY_PLACE.get(" ".join(words(value)))
