"""Who a node is by what lies in its folder, over renewals of the mesh's authority."""

import asyncio

import pytest

from mesh.adapters.clock import SystemEntropy
from mesh.adapters.node_key import DataFolder
from mesh.core.identity import Authority
from mesh.core.secret import make_secret
from simulations.world.executor import InlineExecutor
from thatdam import identity

SECRET = make_secret(b"settling of nodes...")
NOW_S = 1_800_000_000.0
HEIR, NEXT = b"h" * 32, b"n" * 32


@pytest.fixture
def folder(tmp_path):
    made = DataFolder(tmp_path / "node", SystemEntropy())
    yield made
    made.release()


@pytest.fixture(autouse=True)
def seed_of_a_secret_at_once(monkeypatch):
    """Argon2id is meant to be slow; another test holds what it gives."""
    monkeypatch.setattr(identity.passwords, "authority_seed", lambda secret: secret.ljust(32, b"."))


def settle(folder, secret=""):
    return asyncio.run(identity.settle(folder, secret, InlineExecutor(), SystemEntropy(), NOW_S))


async def go_over(folder, standing, seed, *, holds):
    """Have the mesh's authority renewed while the node runs."""
    heir, papers = Authority(seed, standing.identity.mesh), identity.FolderPapers(folder, InlineExecutor())
    if holds:
        await papers.keep_authority(seed)
    await papers.keep(standing.identity.succeeded(heir.certificate()).renewed(heir.admit(folder.node_id, NOW_S)))


@pytest.mark.parametrize("renewals", [(), (HEIR,), (HEIR, NEXT)])
def test_a_node_of_a_secrets_mesh_that_starts_without_it_is_not_alone(folder, renewals):
    assert not settle(folder, SECRET).alone
    for seed in renewals:
        asyncio.run(go_over(folder, settle(folder), seed, holds=True))
    again = settle(folder)
    assert (again.authority is not None) == bool(renewals)
    assert not again.alone


def test_a_mesh_born_of_chance_is_alone_until_somebody_is_invited(folder):
    assert settle(folder).alone
    asyncio.run(go_over(folder, settle(folder), HEIR, holds=True))
    assert settle(folder).alone
    asyncio.run(identity.FolderPapers(folder, InlineExecutor()).keep_company())
    assert not settle(folder).alone
