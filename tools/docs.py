"""Write the references that are made from the code: `make docs`. With ``--check``, say which are out of date.

| file | made from |
|---|---|
| proto/schema.cddl, docs/WIRE.md | the messages registered in proto/messages |
| docs/CONFIG.md | thatdam.config |
| docs/CLI.md | the verbs of thatdam.cli.main |
| docs/API.md | the routes of the gateway |
| docs/METRICS.md | the metrics of a node |
| ARCHITECTURE.md, its section of protocols | what the cores of the protocols do |
| docs/SHAPES.md, docs/openapi.json | the models of what the gateway takes and gives |

It also adds golden bytes for messages that have none (tests/golden).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tools import protocols, reference, wire  # noqa: E402

GENERATED: dict[str, Callable[[], str]] = {
    "proto/schema.cddl": wire.schema,
    "docs/WIRE.md": wire.reference,
    "docs/CONFIG.md": reference.configuration,
    "docs/CLI.md": reference.verbs,
    "docs/API.md": reference.routes,
    "docs/METRICS.md": reference.metrics,
    "docs/SHAPES.md": reference.shapes,
    "ARCHITECTURE.md": protocols.page,
    "docs/openapi.json": reference.openapi_text,
}


def stale() -> list[str]:
    """Give the files that are not what the code says now."""
    return [
        name
        for name, make in GENERATED.items()
        if not (ROOT / name).exists() or (ROOT / name).read_text(encoding="utf-8") != make()
    ]


def main() -> None:
    """Write them, or check them."""
    if "--check" in sys.argv:
        found = stale()
        if found:
            raise SystemExit(f"out of date: {', '.join(found)}; run `make docs` and commit what it writes")
        return
    for name, make in GENERATED.items():
        path = ROOT / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(make(), encoding="utf-8")
        print(name)
    for path in wire.add_golden():
        print(path.relative_to(ROOT), "(added to)")


if __name__ == "__main__":
    main()
