"""Every port has a contract: one module whose cases run over what ships and over the simulator's, and both have the
port's shape."""

import importlib
import inspect
from pathlib import Path

import pytest

from mesh import ports

FOLDER = Path(__file__).parents[1] / "contracts"
MODULES = [importlib.import_module(f"tests.contracts.{path.stem}") for path in sorted(FOLDER.glob("test_*.py"))]
PROTOCOLS = {
    name: kind
    for name, kind in vars(ports).items()
    if inspect.isclass(kind) and getattr(kind, "_is_protocol", False) and kind.__module__ == ports.__name__
}
# Not implemented by an adapter of ours: SQLite's own connection and cursor, and what the actors give to the network.
OTHERS = {"Sql", "SqlCursor", "LinkHandler"}


def contracts_of(port):
    return [module for module in MODULES if port in module.PORTS]


def members(port):
    return {
        name: value
        for name, value in vars(port).items()
        if (inspect.isfunction(value) or isinstance(value, property))
        and (not name.startswith("_") or name == "__len__")
    }


def shaped_like(kind, port):
    return all(hasattr(kind, name) for name, value in members(port).items() if inspect.isfunction(value))


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_a_port_has_a_contract_over_both_kinds(name):
    modules = contracts_of(PROTOCOLS[name])
    assert len(modules) == 1, f"{name} wants one module in tests/contracts that names it in PORTS"
    (module,) = modules
    assert module.REAL, f"{module.__name__} runs over nothing that ships"
    assert module.FAKE, f"{module.__name__} runs over nothing of the simulator"
    assert all(kind.__module__.partition(".")[0] in ("mesh", "roles") for kind in module.REAL)
    assert all(kind.__module__.startswith("simulations.") for kind in module.FAKE)


@pytest.mark.parametrize("name", sorted(set(PROTOCOLS) - OTHERS))
def test_what_keeps_a_contract_has_the_shape_of_the_port(name):
    port = PROTOCOLS[name]
    (module,) = contracts_of(port)
    for kinds in (module.REAL, module.FAKE):
        keepers = [kind for kind in kinds if shaped_like(kind, port)]
        assert keepers, f"none of {[kind.__name__ for kind in kinds]} is a {name}"
        for kind in keepers:
            for method, wanted in members(port).items():
                if inspect.isfunction(wanted):
                    given = inspect.signature(getattr(kind, method)).parameters
                    missing = [word for word in inspect.signature(wanted).parameters if word not in given]
                    assert not missing, f"{kind.__name__}.{method} lacks {missing}"


def test_every_contract_names_what_it_is_of():
    for module in MODULES:
        assert module.PORTS, module.__name__
        assert all(PROTOCOLS.get(port.__name__) is port for port in module.PORTS)
