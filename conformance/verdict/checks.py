"""Checks as the judge sees them: a function, the guarantee that it judges, and the facts that it asks for."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType

PARAMETERS = "params"


@dataclass(frozen=True)
class Check:
    """One judgment. Its arguments are subjects (it gets their facts) and perhaps ``params`` (it gets the profile's).

    A subject of which it can do without, annotated ``Facts | None``, is None where it could not be observed.
    """

    guarantee: str
    function: Callable[..., None]
    arguments: tuple[str, ...]
    optional: frozenset[str] = frozenset()

    @classmethod
    def of(cls, function: Callable[..., None]) -> Check:
        parameters = inspect.signature(function).parameters
        optional = {name for name, one in parameters.items() if str(one.annotation).endswith("| None")}
        return cls(function.guarantee_id, function, tuple(parameters), frozenset(optional))  # type: ignore[attr-defined]

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(name for name in self.arguments if name != PARAMETERS)


def checks_in(modules: Iterable[ModuleType]) -> dict[str, Check]:
    """The checks of some modules by guarantee.

    Raises:
        ValueError: two judge the same guarantee.
    """
    found: dict[str, Check] = {}
    for module in modules:
        for function in vars(module).values():
            if inspect.isfunction(function) and hasattr(function, "guarantee_id"):
                check = Check.of(function)
                if check.guarantee in found:
                    raise ValueError(f"{check.guarantee} has two checks, the second in {module.__name__}")
                found[check.guarantee] = check
    return found


def modules_of(package: str) -> Iterator[ModuleType]:
    """The ``test_*`` modules of a package, by name."""
    folder = importlib.import_module(package)
    for module in pkgutil.iter_modules(folder.__path__):
        if module.name.startswith("test_"):
            yield importlib.import_module(f"{package}.{module.name}")
