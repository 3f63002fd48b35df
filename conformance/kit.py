"""Everything that one version of the kit consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from conformance.catalogue import GUARANTEES, Catalogue
from conformance.observe.facts import Observation, Observer
from conformance.observe.registry import Observers
from conformance.profile import PROFILES
from conformance.stacks.base import Capability, Role, Stack
from conformance.stacks.opening import StackRequest, engine_answers, open_stack, reference_root
from conformance.verdict.checks import Check, checks_in, modules_of
from conformance.verdict.judge import Judge
from conformance.verdict.parameters import Parameters

VERSION = version("pqrs-lakehouse")


@dataclass(frozen=True)
class Kit:
    """Where the promises, the judgments, the observers and the stacks come from. The defaults are the installed kit."""

    guarantees: Path = GUARANTEES
    profiles: Path = PROFILES
    observers: Mapping[str, Observer] = field(default_factory=Observers)
    open_stack: Callable[[StackRequest], Stack] = open_stack
    engine_answers: Callable[[], bool] = engine_answers
    reference: Callable[[], Path] = reference_root
    load_checks: Callable[[], dict[str, Check]] = lambda: checks_in(modules_of("conformance.checks"))

    @cached_property
    def catalogue(self) -> Catalogue:
        return Catalogue.load(self.guarantees)

    @cached_property
    def checks(self) -> Mapping[str, Check]:
        """Loaded when first asked for: checks bring the observers' libraries with them."""
        return self.load_checks()

    def judge(
        self,
        observation: Callable[[str], Observation],
        parameters: Parameters,
        *,
        capabilities: AbstractSet[Capability],
        roles: AbstractSet[Role],
        own_pipeline: bool,
    ) -> Judge:
        """A judge of this kit's promises; the arguments are as in :class:`Judge`."""
        return Judge(
            self.catalogue,
            self.checks,
            self.observers,
            observation=observation,
            capabilities=capabilities,
            roles=roles,
            parameters=parameters,
            own_pipeline=own_pipeline,
        )
