"""The guarantees as a page for people: ``python -m conformance.catalogue_page > docs/guarantees.md``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import groupby

from conformance.catalogue import Catalogue, Guarantee
from conformance.profile import Profile, load_profile, named_profiles
from conformance.report.html import FAMILIES

HEAD = """# Las garantías · The guarantees

Generado de / generated from `conformance/guarantees/*.toml`:
`python -m conformance.catalogue_page > docs/guarantees.md`

● obligatoria / required · ○ recomendada / recommended · – no cuenta / does not count.
`conformance explain ID --lang es|en` muestra una entera / shows one whole.
"""


def render(catalogue: Catalogue, profiles: Mapping[str, Profile]) -> str:
    """Markdown: a table for each family, a row for each guarantee."""
    parts = [HEAD]
    for family, guarantees in groupby(catalogue.values(), key=lambda guarantee: guarantee.family):
        title = FAMILIES[family]
        parts.append(f"## {family}: {title['es']} · {title['en']}\n")
        parts.append(f"| ID | promesa · promise | necesita / needs | requiere / requires | {' | '.join(profiles)} |")
        parts.append(f"|---|---|---|---|{'---|' * len(profiles)}")
        parts += [_row(guarantee, profiles) for guarantee in guarantees]
        parts.append("")
    return "\n".join(parts)


def _row(guarantee: Guarantee, profiles: Mapping[str, Profile]) -> str:
    marks = " | ".join(_mark(guarantee.id, profile) for profile in profiles.values())
    promise = f"{guarantee.es.title} · *{guarantee.en.title}*"
    requires = ", ".join(guarantee.requires) or "–"
    return f"| {guarantee.id} | {promise} | {guarantee.needs} | {requires} | {marks} |"


def _mark(id_: str, profile: Profile) -> str:
    return f"{profile.mark(id_)} {profile.points(id_):g}" if id_ in profile else profile.mark(id_)


def main() -> None:
    catalogue = Catalogue.load()
    sys.stdout.write(render(catalogue, {name: load_profile(name, catalogue) for name in named_profiles()}))


if __name__ == "__main__":
    main()
