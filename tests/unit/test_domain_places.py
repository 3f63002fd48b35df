"""The municipalities of DIVIPOLA."""

from __future__ import annotations

import polars as pl
import pytest

from pqrs_lakehouse.domain.places import municipality_codes, places

DEPARTMENTS = {
    "05": "Antioquia",
    "08": "Atlántico",
    "11": "Bogotá, D.C.",
    "13": "Bolívar",
    "15": "Boyacá",
    "17": "Caldas",
    "18": "Caquetá",
    "19": "Cauca",
    "20": "Cesar",
    "23": "Córdoba",
    "25": "Cundinamarca",
    "27": "Chocó",
    "41": "Huila",
    "44": "La Guajira",
    "47": "Magdalena",
    "50": "Meta",
    "52": "Nariño",
    "54": "Norte de Santander",
    "63": "Quindío",
    "66": "Risaralda",
    "68": "Santander",
    "70": "Sucre",
    "73": "Tolima",
    "76": "Valle del Cauca",
    "81": "Arauca",
    "85": "Casanare",
    "86": "Putumayo",
    "88": "Archipiélago de San Andrés, Providencia y Santa Catalina",
    "91": "Amazonas",
    "94": "Guainía",
    "95": "Guaviare",
    "97": "Vaupés",
    "99": "Vichada",
}


def test_every_department_and_bogota() -> None:
    found = places().select("department_code", "department").unique()
    assert dict(found.iter_rows()) == DEPARTMENTS


def test_codes_are_texts_of_five_digits_that_begin_with_their_department() -> None:
    codes = places()["municipality_code"]
    assert codes.str.contains("^[0-9]{5}$").all()
    assert (codes.str.head(2) == places()["department_code"]).all()
    assert municipality_codes() == tuple(sorted(set(codes)))
    assert len(municipality_codes()) == len(codes) == 1121


def test_every_department_has_one_capital_but_cundinamarca_whose_capital_is_bogota() -> None:
    capitals = places().filter("is_capital")
    assert sorted(capitals["department_code"]) == sorted(set(DEPARTMENTS) - {"25"})


@pytest.mark.parametrize(
    ("code", "municipality", "is_capital"),
    [
        ("05001", "Medellín", True),
        ("05088", "Bello", False),
        ("08001", "Barranquilla", True),
        ("08758", "Soledad", False),
        ("11001", "Bogotá, D.C.", True),
        ("13001", "Cartagena de Indias", True),
        ("25001", "Agua de Dios", False),
        ("25754", "Soacha", False),
        ("52835", "San Andrés de Tumaco", False),
        ("54001", "San José de Cúcuta", True),
        ("68276", "Floridablanca", False),
        ("76001", "Cali", True),
        ("76109", "Buenaventura", False),
        ("88001", "San Andrés", True),
        ("99001", "Puerto Carreño", True),
    ],
)
def test_known_places(code: str, municipality: str, is_capital: bool) -> None:
    row = places().row(by_predicate=pl.col("municipality_code") == code, named=True)
    assert (row["municipality"], row["is_capital"]) == (municipality, is_capital)


def test_names_are_written_as_people_write_them() -> None:
    assert places()["municipality"].str.contains(r"^\p{Lu}\p{Ll}").all()
    assert places().null_count().transpose().to_series().sum() == 0
