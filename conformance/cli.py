"""The command line: ``conformance check | list | explain | regrade``.

Exit codes: 0 all that is required holds, 1 something does not, 2 usage, input or environment (one line on stderr),
3 the verdict is incomplete.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from conformance.catalogue import LANGS, Guarantee
from conformance.inputs import InputError, complain, one_line
from conformance.isolation import Ended, run_judge
from conformance.kit import VERSION, Kit
from conformance.plan import EVIDENCE, STACKS, Options, plan
from conformance.profile import Profile, load_profile, named_profiles
from conformance.report import terminal
from conformance.report.files import REPORT, VERDICT
from conformance.run import start
from conformance.stacks.base import StackError
from conformance.stacks.compose.images import OFFLINE, UPSTREAM
from conformance.text import fill, placeholders, printable
from conformance.verdict.model import Verdict
from conformance.verdict.score import ENVIRONMENT, HOLDS, INCOMPLETE, exit_code

USAGE = 4  # what pytest ends with when it cannot use its arguments
PATH = click.Path(path_type=Path)
lang_option = click.option(
    "--lang", type=click.Choice(LANGS), default=Options.lang, show_default=True, help="Language."
)


class PytestArguments(click.Command):
    """A command that leaves everything after ``--`` to pytest."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own, rest = args, list[str]()
        if "--" in args:
            at = args.index("--")
            own, rest = args[:at], args[at + 1 :]
        ctx.meta["pytest"] = rest
        return super().parse_args(ctx, own)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="conformance")
def cli() -> None:
    """Prove that a PQRS lakehouse keeps the promises of its architecture."""


@cli.command(cls=PytestArguments)
@click.argument("path", required=False, type=PATH)
@click.option("--stack", type=click.Choice(STACKS), default=Options.stack, show_default=True, help="Where it runs.")
@click.option("--profile", metavar="NAME|FILE", help="Which guarantees count, and for how much.")
@click.option("--static", is_flag=True, help="Only what needs no running service; this is no grade.")
@click.option("--only", multiple=True, metavar="ID|FAMILY", help="Only this, and what it requires (repeatable).")
@click.option("--env-file", type=PATH, help="Environment of the deployment: its ports and credentials.")
@click.option("--compose-file", type=PATH, help="The Compose file, where it is not found by itself.")
@click.option(
    "--images",
    metavar="upstream|offline|MAPFILE",
    default=Options.images,
    show_default=True,
    help="Images of a Compose stack: its author's, those built without a registry, or as a map says.",
)
@click.option("--evidence", type=PATH, help="What a recorded stack is made of.")
@click.option("--report-dir", type=PATH, default=Options.report_dir, show_default=True, help="Where everything goes.")
@lang_option
@click.option("--seed", type=int, default=Options.seed, show_default=True, help="Of the generated PQRS.")
@click.option("--keep", is_flag=True, help="Keep the deployment's files for a look.")
@click.option("--timeout", type=float, help="Seconds a service or an observer may take.")
@click.option("--trust", is_flag=True, help="Run what is refused of a stranger's Compose file.")
@click.pass_context
def check(ctx: click.Context, /, **given: Any) -> None:
    """Check the repository at PATH (left out: the reference), and write verdict, reports and evidence.

    Arguments after -- go to pytest, whose output is then shown.
    """
    options = Options(**given)
    kind = plan(Kit(), options).kind
    before = _written(options.report_dir / VERDICT)
    ended = run_judge(_plugin_options(options, kind), ctx.meta["pytest"])
    if _written(options.report_dir / VERDICT) != before:
        _show(_read_verdict(options.report_dir), options)
        ctx.exit(ended.code)
    ctx.exit(_without_verdict(ended))


@cli.command()
@click.argument("source", type=PATH)
@click.option("--profile", metavar="NAME|FILE", help="Another profile than the one it was judged by.")
@click.option("--report-dir", type=PATH, help="Where the reports go; left out: beside the evidence.")
@lang_option
@click.pass_context
def regrade(ctx: click.Context, source: Path, profile: str | None, report_dir: Path | None, lang: str) -> None:
    """Give the verdict again from recorded evidence: SOURCE is a report folder, or the evidence in it."""
    evidence = source / EVIDENCE if (source / EVIDENCE).is_dir() else source
    if not evidence.is_dir():
        raise InputError(f"no such folder: {source}")
    if report_dir is None:
        report_dir = evidence.parent if evidence.resolve().name == EVIDENCE else Options.report_dir
    options = Options(stack="recorded", evidence=evidence, profile=profile, report_dir=report_dir, lang=lang)
    kit = Kit()
    planned = plan(kit, options)
    verdict = start(kit, planned).finish(only=planned.only, interrupted=False)
    _show(verdict, options)
    interrupted = planned.recorded is not None and planned.recorded.run.interrupted
    ctx.exit(exit_code(verdict, interrupted=interrupted))


@cli.command()
@click.argument("guarantee", metavar="ID")
@lang_option
def explain(guarantee: str, lang: str) -> None:
    """Say what a guarantee promises, why, and what to do when it does not hold."""
    kit = Kit()
    ids = kit.catalogue.named(guarantee)
    for id_ in sorted(ids):
        click.echo(_explanation(kit, kit.catalogue[id_], lang))


@cli.command()
@lang_option
@click.pass_context
def doctor(ctx: click.Context, lang: str) -> None:
    """Look whether this machine can run the checks, and say what to do about what keeps it from it."""
    from conformance.doctor import examine

    stopped = False
    for finding in examine(Kit().reference()):
        stopped = stopped or (finding.stops and not finding.ok)
        mark = "✓" if finding.ok else "✗" if finding.stops else "!"
        click.echo(f"{mark} {printable(finding.title(lang))}{': ' if finding.seen else ''}{printable(finding.seen)}")
        if not finding.ok:
            click.echo(f"    {printable(finding.remedy(lang))}")
    ctx.exit(ENVIRONMENT if stopped else HOLDS)


@cli.command(name="list")
@click.option("--profile", metavar="NAME|FILE", help="Only the guarantees of this profile, with their points.")
@lang_option
def list_(profile: str | None, lang: str) -> None:
    """List the guarantees: ● required, ○ recommended, – left out."""
    kit = Kit()
    names = [profile] if profile else list(named_profiles(kit.profiles))
    profiles = [load_profile(name, kit.catalogue, kit.profiles) for name in names]
    header = ("ID", *(one.name for one in profiles), WORDS[lang]["title"])
    rows = [
        (id_, *(_mark(one, id_, points=bool(profile)) for one in profiles), one_line(guarantee.wording(lang).title))
        for id_, guarantee in kit.catalogue.items()
        if not profile or id_ in profiles[0]
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


WORDS = {
    "es": {
        "title": "Garantía", "why": "Por qué", "wrong": "Mal", "right": "Bien", "remedy": "Qué hacer",
        "hints": "Según la causa",
        "requires": "Requiere", "needs": "Necesita ver", "profiles": "Perfiles", "required": "obligatoria",
        "recommended": "recomendada", "points": "puntos", "plane": "Plano", "guide": "Guía", "nothing": "nada",
    },
    "en": {
        "title": "Guarantee", "why": "Why", "wrong": "Wrong", "right": "Right", "remedy": "What to do",
        "hints": "By cause",
        "requires": "Requires", "needs": "Needs to see", "profiles": "Profiles", "required": "required",
        "recommended": "recommended", "points": "points", "plane": "Plane", "guide": "Guide", "nothing": "nothing",
    },
}  # fmt: skip


def _explanation(kit: Kit, guarantee: Guarantee, lang: str) -> str:
    say, wording = WORDS[lang], guarantee.wording(lang)
    places = []
    for name in named_profiles(kit.profiles):
        profile = load_profile(name, kit.catalogue, kit.profiles)
        if guarantee.id in profile:
            place = "required" if guarantee.id in profile.required else "recommended"
            places.append(f"{name} ({say[place]}, {profile.points(guarantee.id):g} {say['points']})")
    parts = {
        "why": wording.why,
        "wrong": wording.wrong,
        "right": wording.right,
        "remedy": _unfilled(wording.remedy),
        **({"hints": "\n".join(f"- {_unfilled(hint)}" for hint in wording.hints.values())} if wording.hints else {}),
        "requires": ", ".join(guarantee.requires) or say["nothing"],
        "needs": str(guarantee.needs),
        "plane": guarantee.plane.value,
        "guide": guarantee.guide,
        "profiles": ", ".join(places) or say["nothing"],
    }
    lines = [f"{guarantee.id}  {wording.title}"]
    for name, text in parts.items():
        lines += ["", f"{say[name]}:", *(f"  {line}" for line in text.splitlines())]
    return "\n".join(lines) + "\n"


def _unfilled(template: str) -> str:
    """A diagnosis of nothing in particular."""
    return fill(template, dict.fromkeys(placeholders(template), "…"))


def _mark(profile: Profile, id_: str, *, points: bool) -> str:
    return f"{profile.mark(id_)} {profile.points(id_):g}" if points else profile.mark(id_)


def _plugin_options(options: Options, kind: str) -> list[str]:
    """``options``, with the kind of stack that they mean, as the plugin takes them in another working directory."""
    profile = options.profile
    if profile is not None and profile not in named_profiles():
        profile = str(Path(profile).absolute())
    values = {
        "stack": options.stack if options.static else kind,
        "path": options.path and options.path.absolute(),
        "source": options.path,
        "profile": profile,
        "env-file": options.env_file and options.env_file.absolute(),
        "compose-file": options.compose_file and options.compose_file.absolute(),
        "images": options.images if options.images in (UPSTREAM, OFFLINE) else Path(options.images).absolute(),
        "evidence": options.evidence and options.evidence.absolute(),
        "report-dir": options.report_dir.absolute(),
        "lang": options.lang,
        "seed": options.seed,
        "timeout": options.timeout,
    }
    return [
        *(f"--conformance-{name}={value}" for name, value in values.items() if value is not None),
        *(f"--conformance-only={word}" for word in options.only),
        *(["--conformance-static"] if options.static else []),
        *(["--conformance-keep"] if options.keep else []),
        *(["--conformance-trust"] if options.trust else []),
    ]


def _written(file: Path) -> int | None:
    """When a file was written; None: it is not there."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None


def _read_verdict(folder: Path) -> Verdict:
    return Verdict.model_validate_json((folder / VERDICT).read_text(encoding="utf-8"))


def _show(verdict: Verdict, options: Options) -> None:
    click.echo(terminal.render(verdict, options.lang, str(options.report_dir / REPORT)))


def _without_verdict(ended: Ended) -> int:
    """The judge came to none: it was interrupted early, or has said on stderr what was wrong, or is broken."""
    if ended.interrupted:
        complain("interrupted before anything was judged")
        return INCOMPLETE
    if ended.code in (0, ENVIRONMENT):
        return ended.code
    if ended.code == USAGE:
        return ENVIRONMENT
    click.echo(printable(ended.said), err=True)
    complain(f"the judge ended with {ended.code} and without a verdict")
    return INCOMPLETE


def main() -> None:
    """The console script."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = ENVIRONMENT
    except (InputError, StackError) as error:
        complain(error)
        code = ENVIRONMENT
    except click.ClickException as error:
        complain(error.format_message())
        code = ENVIRONMENT
    except (click.Abort, KeyboardInterrupt):
        code = INCOMPLETE
    except BrokenPipeError:  # the reader of the list has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception:  # Python would end with 1, which says that a guarantee does not hold
        traceback.print_exc()
        code = INCOMPLETE
    sys.exit(code)
