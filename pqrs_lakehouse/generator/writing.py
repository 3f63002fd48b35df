"""How events are written: every line is a concatenation of ready-made strings, looked up by column.

Spanish as citizens and agents write it, with accents, emoji, quotes and line breaks, escaped in either of JSON's ways.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import cache
from itertools import product
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from pqrs_lakehouse.domain.places import municipality_codes
from pqrs_lakehouse.domain.vocabulary import (
    AUTHOR_ROLES,
    CHANNELS,
    EVENT_TYPES,
    PETITION_KINDS,
    PQRS_TYPES,
    PRIORITIES,
    STATUSES,
)
from pqrs_lakehouse.generator.journey import (
    ATTACHMENT,
    BOGOTA,
    CREATED,
    DAY,
    EPOCH,
    FIRST_DAY,
    LAST_DAY,
    MESSAGE,
    SECOND,
    STATUS,
    Events,
    fraction_digits,
)

ROWS_AT_ONCE: Final = 1 << 16
"""Lines are written in slices of this size: they fit the cache, and bound the memory of the pieces."""

OPENINGS: Final = {
    "citizen": (
        "",
        "Buenos días, señores:",
        "Señor alcalde, con todo respeto:",
        "¿Cuándo van a arreglar la vía? Llevo 3 años pidiéndolo.",
        'Me respondieron "vuelva mañana" y ya van cinco veces.',
        "En ejercicio del derecho de petición (art. 23 C.P.) solicito:",
        "El niño no tiene cupo en el colegio 😔",
        "Hay un daño en la tubería de mi casa 🚰",
        "Adjunto copia de la cédula y del recibo\\factura.",
        "Quiero felicitar a la funcionaria que me atendió 👏🏽",
    ),
    "agent": (
        "",
        "Cordial saludo.",
        "Apreciada ciudadana, apreciado ciudadano:",
        "Su petición fue remitida a la Secretaría de Educación.",
        "Para continuar necesitamos el número de matrícula del predio.",
        "Según la Ley 1755 de 2015, la respuesta tiene un término de 15 días hábiles.",
        "Le informamos que la visita técnica quedó programada.",
    ),
    "system": (
        "",
        "Notificación automática ⚙️",
        "Su solicitud cambió de estado.",
        "Radicación exitosa ✅",
    ),
}
MIDDLES: Final = (
    "",
    "\nLa dirección es Cra. 7 # 12-34, barrio Nariño.",
    "\n\nEl año pasado pasó lo mismo y nadie contestó.",
    " Ver expediente C:\\pqrs\\2025\\año.",
    "\n- Primero: el hueco.\n- Segundo: el andén.\n- Tercero: la señalización.",
    " El código es {\"id\": 7, 'ok'}.",
    " Mi correo es ñandú@ejemplo.com.co\ty mi teléfono, 300 000 0000.",
    " Costó $ 1.250.000 (más IVA): ¡es un abuso!",
)
ENDINGS: Final = (
    "",
    "\nMuchas gracias 🙏",
    "\r\nAtentamente,\r\nMaría Peña Ibáñez",
    " ¡Quedo atento!",
    "\n— Enviado desde mi celular 📱",
    "\nJosé Güiza «Pepe» Núñez 👨‍👩‍👧‍👦",
)
FILE_NAMES: Final = (
    "cédula",
    "foto del daño 📷",
    "derecho de petición (firmado)",
    "recibo_energía",
    'oficio "final"',
    "contraseña-olvidada",
    "evidencia\\1",
    "respuesta",
)
EXTENSIONS: Final = (".pdf", ".jpg", ".docx", ".xlsx", ".mp4", "")

SIZES: Final = 256
LARGEST_FILE: Final = 25_000_000


def lines(events: Events) -> pl.Series:
    """One JSON line per event (Binary, no line break), in the order given. ``corrupt`` is not looked at."""
    slices = [_lines(events[at : at + ROWS_AT_ONCE]) for at in range(0, len(events), ROWS_AT_ONCE)]
    return pl.concat(slices) if slices else pl.Series(dtype=pl.Binary)


def _lines(events: Events) -> pl.Series:
    digits = fraction_digits(events).astype(np.int64)
    local = (events["salt"] >> np.uint64(8)) % np.uint64(2) == 1
    day, time = np.divmod(events["ts"] + np.where(local, BOGOTA, 0), DAY)
    second, microsecond = np.divmod(time, SECOND)
    head, tail = np.minimum(digits, 3), np.maximum(digits - 3, 0)
    table = _tables()
    pieces: list[tuple[pl.Series, npt.NDArray[Any]]] = [
        *zip(table.uuid, _uuid4(events), strict=True),
        (table.year, events["year"] - FIRST_DAY.year),
        (table.number_head, events["ticket"] // 10_000),
        (table.number_tail, events["ticket"] % 10_000),
        (table.event_type, events["type"]),
        (table.day, day - (FIRST_DAY - EPOCH).days),
        (table.time, second),
        (table.fraction_head, head * 1000 + microsecond // 1000),
        (table.fraction_tail, (tail * 1000 + microsecond % 1000) * 2 + local),
        *((_texts().table, position) for position in _data(events)),
    ]
    parts = [pl.lit(strings).gather(pl.lit(pl.Series(index.astype(np.uint32)))) for strings, index in pieces]
    return pl.select(pl.concat_str(parts).cast(pl.Binary)).to_series()


def _uuid4(events: Events) -> list[npt.NDArray[np.uint64]]:
    """The eight groups of four hexadecimal digits of a random UUID (RFC 9562 §5.4), as numbers."""
    group, shifts = np.uint64(0xFFFF), [np.uint64(shift) for shift in (48, 32, 16, 0)]
    groups = [events[half] >> shift & group for half in ("id_high", "id_low") for shift in shifts]
    groups[3] = groups[3] & np.uint64(0x0FFF) | np.uint64(0x4000)
    groups[4] = groups[4] & np.uint64(0x3FFF) | np.uint64(0x8000)
    return groups


def _data(events: Events) -> npt.NDArray[np.int64]:
    """Three positions in the table of texts for each event: what follows ``"data":`` up to the end of the line."""
    positions = np.full((3, len(events)), EMPTY)
    texts = _texts()
    random = [events["salt"] >> np.uint64(shift) for shift in (16, 28, 40)]

    def fill(rows: npt.NDArray[np.intp], *pieces: npt.NDArray[np.int64]) -> None:
        for position, piece in zip(positions, pieces, strict=False):
            position[rows] = piece

    def picks(rows: npt.NDArray[np.intp], *sections: Section) -> list[npt.NDArray[np.int64]]:
        return [section.pick(bits[rows]) for section, bits in zip(sections, random, strict=True)]

    rows = np.flatnonzero(events["type"] == CREATED)
    coded = tuple(events[name][rows].astype(np.intp) for name in ("channel", "pqrs_type", "petition_kind", "priority"))
    fill(rows, texts.profiles.start + np.ravel_multi_index(coded, PROFILES), texts.places.start + events["place"][rows])

    rows = np.flatnonzero(events["type"] == STATUS)
    pair = np.ravel_multi_index(tuple(events[name][rows].astype(np.intp) for name in ("before", "after")), PAIRS)
    fill(rows, texts.pairs.start + pair)

    for author, openings in enumerate(texts.openings):
        rows = np.flatnonzero((events["type"] == MESSAGE) & (events["author"] == author))
        fill(rows, *picks(rows, openings, texts.middles, texts.endings))

    rows = np.flatnonzero(events["type"] == ATTACHMENT)
    fill(rows, *picks(rows, texts.names, texts.extensions, texts.sizes))
    return positions


DAYS: Final = (LAST_DAY - FIRST_DAY).days + 2
"""One more than there are, as an evening in Bogotá is the next day in UTC."""


class _Tables(NamedTuple):
    """Ready-made strings by number, each with the constant text that follows (or, for the first, goes before)."""

    uuid: tuple[pl.Series, ...]
    year: pl.Series
    number_head: pl.Series
    number_tail: pl.Series
    event_type: pl.Series
    day: pl.Series
    time: pl.Series
    fraction_head: pl.Series
    fraction_tail: pl.Series


def _strings(entries: Iterable[str]) -> pl.Series:
    return pl.Series(list(entries), dtype=pl.String)


@cache
def _tables() -> _Tables:
    group = [f"{n:04x}" for n in range(1 << 16)]
    plain, dashed, first = (_strings(form.format(g) for g in group) for form in ("{}", "{}-", '{{"event_id":"{}'))
    number = [f"{n:04d}" for n in range(10_000)]
    milli = [f"{n:03d}" for n in range(1000)]
    return _Tables(
        uuid=(first, dashed, dashed, dashed, dashed, plain, plain, plain),
        year=_strings(f'","ticket_id":"PQRS-{year}-' for year in range(FIRST_DAY.year, LAST_DAY.year + 1)),
        number_head=_strings(number),
        number_tail=_strings(n + '","event_type":"' for n in number),
        event_type=_strings(name + '","ts":"' for name in EVENT_TYPES),
        day=_strings(f"{FIRST_DAY + timedelta(days=n)}T" for n in range(DAYS)),
        time=_strings(f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(86_400)),
        fraction_head=_strings("." + n[:digits] if digits else "" for digits in range(4) for n in milli),
        fraction_tail=_strings(
            n[:digits] + zone + '","data":' for digits in range(4) for n in milli for zone in ("Z", "-05:00")
        ),
    )


class Section(NamedTuple):
    """Consecutive entries of the table of texts."""

    start: int
    size: int

    def pick(self, random: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """Positions of entries chosen by random numbers."""
        return self.start + (random % np.uint64(self.size)).astype(np.int64)


class _Texts(NamedTuple):
    """Every piece of every ``data``."""

    table: pl.Series
    profiles: Section
    places: Section
    pairs: Section
    openings: tuple[Section, ...]  # by author
    middles: Section
    endings: Section
    names: Section
    extensions: Section
    sizes: Section


EMPTY: Final = 0
PROFILES: Final = (len(CHANNELS), len(PQRS_TYPES), len(PETITION_KINDS), len(PRIORITIES))
PAIRS: Final = (len(STATUSES), len(STATUSES))


@cache
def _texts() -> _Texts:
    entries = [""]

    def section(texts: Iterable[str]) -> Section:
        start = len(entries)
        entries.extend(texts)
        return Section(start, len(entries) - start)

    # The table comes last, when all entries are in.
    return _Texts(
        profiles=section(_profile(*codes) for codes in product(CHANNELS, PQRS_TYPES, PETITION_KINDS, PRIORITIES)),
        places=section(code + '"}}' for code in municipality_codes()),
        pairs=section(
            f'{{"from_status":"{before}","to_status":"{after}"}}}}' for before, after in product(STATUSES, STATUSES)
        ),
        openings=tuple(
            section(f'{{"author_role":"{author}","body":"{text}' for text in _escaped(OPENINGS[author]))
            for author in AUTHOR_ROLES
        ),
        middles=section(_escaped(MIDDLES)),
        endings=section(text + '"}}' for text in _escaped(ENDINGS)),
        names=section('{"filename":"' + text for text in _escaped(FILE_NAMES)),
        extensions=section(text + '","size_bytes":' for text in EXTENSIONS),
        # From nothing to the largest, denser among the small.
        sizes=section(f"{LARGEST_FILE * n**3 // (SIZES - 1) ** 3}}}}}" for n in range(SIZES)),
        table=_strings(entries),
    )


def _profile(channel: str, pqrs_type: str, kind: str, priority: str) -> str:
    """The beginning of a creation's ``data``. What is no petition has no kind, a null, or one filled in by mistake."""
    not_read = {
        "general": "",
        "information": '"petition_kind":null,',
        "consultation": '"petition_kind":"consultation",',
    }
    member = f'"petition_kind":"{kind}",' if pqrs_type == "P" else not_read[kind]
    return f'{{"channel":"{channel}","pqrs_type":"{pqrs_type}",{member}"priority":"{priority}","municipality_code":"'


def _escaped(texts: Sequence[str]) -> list[str]:
    """The texts inside a JSON string: as they are, and again with everything but ASCII as escapes."""
    return [json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True) for text in texts]
