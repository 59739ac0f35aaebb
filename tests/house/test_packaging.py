"""The wheel holds what a node needs and no more, and a node made of it and the core requirements alone starts."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
PACKAGES = ("proto", "mesh", "roles", "thatdam", "simulations", "web")
LEFT_OUT = (".git", ".venv", "node_modules", "build", ".demo", "*.egg-info", "__pycache__", ".*_cache", "screenshots")
EXTRAS = ("torch", "onnxruntime", "cv2", "sentence_transformers", "hnswlib", "tokenizers", "ai_edge_litert", "pytest")
STARTED_S = 60


def uv(*words, **more):
    environment = {**os.environ, "UV_NATIVE_TLS": "1"}
    done = subprocess.run([UV, *words], capture_output=True, text=True, env=environment, timeout=300, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    # From a copy: what an earlier build left lying in the checkout would be packed again.
    tree = tmp_path_factory.mktemp("packaging") / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*LEFT_OUT))
    # What the viewer's build leaves in a checkout is packages too, to a tool that takes any folder for one.
    left = tree / "web" / "node_modules" / "left-over"
    left.mkdir(parents=True)
    (left / "README.md").write_text("not to be shipped")
    uv("build", "--quiet", "--wheel", "--out-dir", str(tree.parent / "out"), str(tree))
    (made,) = (tree.parent / "out").glob("*.whl")
    return made


def shipped(*patterns):
    """Give the files of the packages in the checkout that a wheel must hold."""
    return {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for pattern in patterns
        for path in (ROOT / package).rglob(pattern)
        if not {"node_modules", "__pycache__"} & set(path.parts) and "web/scripts" not in str(path)
    }


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_what_they_read(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    lacking = shipped("*.py", "*.toml", "*.cddl", "py.typed") - names
    assert not lacking
    assert "proto/schema.cddl" in names
    assert any(name.startswith("simulations/scenarios/") and name.endswith(".toml") for name in names)


@pytest.mark.slow
def test_the_wheel_holds_the_viewer_as_it_was_built(wheel):
    dist = ROOT / "web" / "dist"
    built = {str(path.relative_to(ROOT)) for path in dist.rglob("[!.]*") if path.is_file()}  # its build's note stays
    assert "web/dist/third-party.txt" in built, "the licences of what the viewer carries; run `make web`"
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if name.startswith("web/dist/")} == built


@pytest.mark.slow
def test_the_wheel_holds_nothing_else(wheel):
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if "node_modules" in name]
    assert not [name for name in names if "test" in Path(name).parts or name.endswith((".ts", ".tsx", ".pem", ".key"))]


def test_the_lock_of_the_viewers_packages_names_no_registry():
    lock = (ROOT / "web" / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock


def test_the_readme_says_that_it_is_an_application():
    readme = (ROOT / "README.md").read_text()
    assert "application" in readme
    assert "proto" in readme, "its folder has the import name of other people's packages, and people must know"


def test_the_core_has_no_model_and_nothing_that_needs_a_compiler():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = (ROOT / "requirements" / "core.txt").read_text()
    names = {line.partition("==")[0].lower() for line in locked.splitlines() if "==" in line and line[0].isalpha()}
    assert not names & {
        "torch",
        "onnxruntime",
        "opencv-python-headless",
        "sentence-transformers",
        "hnswlib",
        "tokenizers",
    }
    for wanted in project["dependencies"]:
        name = wanted.split(";")[0].split(">")[0].split("=")[0].split("<")[0].strip().lower()
        assert name in names, f"{name} is not in requirements/core.txt: run `make lock`"


CHECK = f"""
import importlib.util
import thatdam.cli.main, thatdam.cli.serve, thatdam.node, thatdam.gateway.app
import sys
found = [name for name in {EXTRAS!r} if importlib.util.find_spec(name)]
assert not found, found
assert "site-packages" in thatdam.node.__file__, thatdam.node.__file__
print("imported")
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_node_of_the_wheel_and_the_core_requirements_starts(wheel, tmp_path):
    made = tmp_path / "venv"
    uv("venv", "--quiet", "--python", sys.executable, str(made))
    python = made / "bin" / "python"
    uv("pip", "sync", "--quiet", "--python", str(python), str(ROOT / "requirements" / "core.txt"))
    uv("pip", "install", "--quiet", "--no-deps", "--python", str(python), str(wheel))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "THATDAM"))}
    done = subprocess.run([python, "-c", CHECK], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.stdout.strip() == "imported", done.stderr
    node = subprocess.Popen(
        [made / "bin" / "thatdam", "up", "--data", tmp_path / "data", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    try:
        said = []
        for line in node.stdout:
            said.append(line)
            if line.startswith("stop"):
                break
        assert any("http" in line for line in said), "".join(said)
        status = subprocess.run(
            [made / "bin" / "thatdam", "status", "--data", tmp_path / "data"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            timeout=STARTED_S,
        )
        assert status.returncode == 0, status.stderr + status.stdout
    finally:
        node.terminate()
        node.communicate(timeout=STARTED_S)
