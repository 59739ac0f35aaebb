"""What people and other programs meet is documented, and the documents say what the code does."""

import re
from pathlib import Path

import pytest

from tools import docs

HOW = (
    "run `make docs` and commit what it writes; where it stops and names a setting, verb or route, give that a "
    "docstring or a help text first"
)


@pytest.mark.parametrize("name", docs.GENERATED)
def test_a_reference_is_what_the_code_says(name):
    written = (docs.ROOT / name).read_text(encoding="utf-8")
    assert docs.GENERATED[name]() == written, f"{name} is out of date: {HOW}"


def test_links_between_the_documents_lead_somewhere():
    for page in [docs.ROOT / "README.md", docs.ROOT / "ARCHITECTURE.md", *sorted((docs.ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (Path(page).parent / target).exists(), f"{page.name} links to {target}, which is not there"
