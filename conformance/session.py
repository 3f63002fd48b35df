"""A run inside pytest: each guarantee is an item, and pytest's own words say what became of it."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Generator, Mapping
from typing import Any, NoReturn

import pytest

from conformance.inputs import InputError, complain, one_line
from conformance.kit import Kit
from conformance.observe.registry import LAST
from conformance.plan import Options, Plan, plan
from conformance.report.files import REPORT
from conformance.report.words import count_line, diagnosis, score_line
from conformance.run import Run, start
from conformance.stacks.base import StackError
from conformance.verdict.checks import PARAMETERS
from conformance.verdict.judge import Judgment
from conformance.verdict.model import Verdict
from conformance.verdict.score import ENVIRONMENT, HOLDS, exit_code, result_of
from conformance.verdict.words import Status

ORDINARY_ENDS = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


class KitError(Exception):
    """The kit could not judge a guarantee, and it is the kit's own fault."""


def session_of(given: Mapping[str, Any]) -> Session:
    """The session that the plugin's options ask for.

    Raises:
        InputError: it cannot be had.
    """
    options = {name: value for name, value in given.items() if name != "kit" and value is not None}
    kit: Kit = pkgutil.resolve_name(given["kit"]) if given["kit"] else Kit()
    return Session(kit, plan(kit, Options(**{**options, "only": tuple(options["only"])})))


class Session:
    """The hooks of a session that judges guarantees."""

    def __init__(self, kit: Kit, plan: Plan) -> None:
        self._kit = kit
        self._plan = plan
        self._only = plan.only
        self._items: dict[str, pytest.Item] = {}
        self._run: Run | None = None
        self._verdict: Verdict | None = None
        self._trouble: str | None = None  # why the environment makes a verdict impossible
        self._others_failed = False

    # --- collection ---------------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """A check's arguments: the facts of a subject, the profile's parameters."""
        for name in (*self._kit.observers, PARAMETERS):
            pytest.register_fixture(name=name, func=self._argument(name), node=session, scope="session")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """The guarantees of the run, each after those that it requires, and then whatever else was collected."""
        others, unwanted = [], []
        for item in items:
            id_ = getattr(getattr(item, "function", None), "guarantee_id", None)
            if id_ is None:
                others.append(item)
            elif id_ in self._plan.ids and id_ not in self._items and self._is_the_kits(item, id_):
                self._items[id_] = item
            else:
                unwanted.append(item)
        left_out = self._plan.ids & self._kit.checks.keys() - self._items.keys()
        if left_out and not self._items:
            raise pytest.UsageError("no check of the profile was collected; name them with --pyargs conformance.checks")
        if left_out:
            self._only = self._kit.catalogue.closure(self._items)
        last = {id_ for id_ in self._items if LAST in self._kit.checks[id_].subjects}
        items[:] = [self._items[id_] for id_ in self._kit.catalogue.ordered(self._items, last)] + others
        if unwanted:
            config.hook.pytest_deselected(items=unwanted)

    # --- the run ------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        if session.testsfailed or session.config.option.collectonly:
            return (yield)
        # On a terminal that shows pytest's own lines, a bar would be drawn over.
        bar = sys.stderr.isatty() and not sys.stdout.isatty()
        try:
            self._run = start(self._kit, self._plan)
            with self._run.deployment(self._only or self._plan.ids, bar=bar):
                return (yield)
        except (StackError, InputError) as error:
            self._give_up(error)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """What is settled before the check runs: the precedence of statuses is the judge's."""
        id_ = self._guarantee(item)
        if id_ is None or self._run is None:
            return
        try:
            for required in self._kit.catalogue[id_].requires:
                self._run.judge.judge(required)
            judgment = self._run.judge.foresee(id_)
        except StackError as error:
            self._give_up(error)
        if judgment and judgment.status is Status.ERROR:
            raise KitError(judgment.observed)
        if judgment:
            raise pytest.skip.Exception(_reason(judgment))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        id_ = self._guarantee(item)
        if id_ is None or self._run is None or call.when == "teardown":
            return report
        judgments = self._run.judge.judgments
        if call.when == "call" or (call.excinfo and id_ not in judgments):
            self._run.judge.conclude(id_, call.excinfo.value if call.excinfo else None)
        if id_ in judgments:
            self._say(report, item, judgments[id_])
        return report

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        if report.when == "call" and ("conformance", Status.ERROR) in report.user_properties:
            return "error", "E", "ERROR"
        return None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        ours = {item.nodeid for item in self._items.values()}
        self._others_failed = self._others_failed or (report.failed and report.nodeid not in ours)

    # --- the end ------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        interrupted = exitstatus not in ORDINARY_ENDS or bool(session.shouldfail or session.shouldstop)
        if self._run and not self._trouble:
            try:
                self._verdict = self._run.finish(only=self._only, interrupted=interrupted)
            except InputError as error:
                self._trouble = one_line(error)
        elif self._run:
            self._run.seal(only=self._only, interrupted=True)
        if self._trouble:
            complain(self._trouble)
            session.exitstatus = ENVIRONMENT
        elif self._verdict:
            code = exit_code(self._verdict, interrupted=interrupted)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED if code == HOLDS and self._others_failed else code

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._verdict:
            lang = self._plan.options.lang
            terminalreporter.section("conformance")
            terminalreporter.write_line(score_line(self._verdict, lang))
            terminalreporter.write_line(count_line(self._verdict, lang))
            terminalreporter.write_line(str(self._plan.options.report_dir / REPORT))

    # --- helpers ------------------------------------------------------------------------------------------------------

    def _argument(self, name: str) -> Any:
        def argument() -> object:
            assert self._run is not None
            return self._run.judge.argument(name)

        return argument

    def _is_the_kits(self, item: pytest.Item, id_: str) -> bool:
        """Nobody else's function can pass for the kit's check of a guarantee."""
        check, function = self._kit.checks.get(id_), item.function  # type: ignore[attr-defined]
        return check is not None and _name(check.function) == _name(function)

    def _guarantee(self, item: pytest.Item) -> str | None:
        return next((id_ for id_, ours in self._items.items() if ours is item), None)

    def _give_up(self, error: Exception) -> NoReturn:
        self._trouble = one_line(error)
        pytest.exit(self._trouble, returncode=ENVIRONMENT)

    def _say(self, report: pytest.TestReport, item: pytest.Item, judgment: Judgment) -> None:
        """Make pytest's report say what the judgment says."""
        report.user_properties.append(("conformance", judgment.status))
        if judgment.status is Status.FAIL:
            result = result_of(self._kit.catalogue[judgment.id], judgment, self._plan.profile)
            report.longrepr = diagnosis(result, self._plan.options.lang)
        elif judgment.status in (Status.BLOCKED, Status.UNOBSERVABLE):
            path, line, _ = item.reportinfo()
            report.outcome = "skipped"
            report.longrepr = (str(path), line or 0, f"Skipped: {_reason(judgment)}")


def _reason(judgment: Judgment) -> str:
    if judgment.status is Status.BLOCKED:
        return f"blocked by {', '.join(judgment.blocked_by)}"
    return f"{judgment.status}: {judgment.observed}"


def _name(function: Callable[..., object]) -> tuple[str, str]:
    return function.__module__, function.__qualname__
