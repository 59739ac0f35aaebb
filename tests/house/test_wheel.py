"""What the wheel carries: the built viewer with its licences, and nothing that only its build needs."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("mesh", "proto", "roles", "simulations", "thatdam")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy, as building leaves things behind."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy / name)
    (copy / "web").mkdir()
    shutil.copy(ROOT / "web" / "__init__.py", copy / "web")
    shutil.copytree(ROOT / "web" / "dist", copy / "web" / "dist")
    left = copy / "web" / "node_modules" / "left-over"
    left.mkdir(parents=True)
    (left / "README.md").write_text("not to be shipped")
    uv = Path(sys.executable).parent / "uv"
    done = subprocess.run([uv, "build", "--wheel", "--out-dir", out, copy], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(out.glob("*.whl"))) as archive:
        return archive.namelist()


@pytest.mark.slow
def test_the_wheel_carries_the_built_viewer_with_the_licences_of_what_is_in_it(wheel):
    assert {"web/dist/index.html", "web/dist/third-party.txt"} <= set(wheel)
    assert [name for name in wheel if name.startswith("web/dist/assets/index-") and name.endswith(".js")]
    assert not [name for name in wheel if "node_modules" in name or name.startswith("tests/")]


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS)
def test_the_wheel_carries_every_module(wheel, room):
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / room).rglob("*.py")}
    assert modules <= set(wheel)


def test_the_lock_of_the_viewers_packages_names_no_registry():
    lock = (ROOT / "web" / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock
