"""Who a node is by what lies in its folder, over renewals of the mesh's authority."""

import asyncio

import pytest

from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.adapters.node_key import DataFolder
from mesh.core.identity import Authority, check_issuer, node_of_seed
from mesh.core.secret import make_secret
from mesh.core.tickets import Ticket, write_ticket
from proto.messages.identity import Redeemed
from simulations.world.executor import InlineExecutor
from thatdam import identity

SECRET = make_secret(b"settling of nodes...")
NOW_S = 1_800_000_000.0
HEIR, NEXT = b"h" * 32, b"n" * 32
OTHER = node_of_seed(b"o" * 32)


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


@pytest.mark.parametrize("heard", [False, True], ids=["of nothing", "of the new authority"])
def test_a_node_the_new_authority_does_not_know_comes_back_with_a_ticket(folder, heard, monkeypatch):
    first = settle(folder, SECRET)
    heir = Authority(HEIR, first.identity.mesh)
    if heard:
        asyncio.run(identity.FolderPapers(folder, InlineExecutor()).keep(first.identity.succeeded(heir.certificate())))
    spent = []

    async def redeem(newcomer, *_):
        spent.append(newcomer.authority)
        entry = heir.roster_entry(folder.node_id, ("proxy",), "", int(NOW_S * 1000) + 1)
        return Redeemed(heir.admit(folder.node_id, NOW_S), heir.certificate(), entry)

    monkeypatch.setattr(identity.joining, "redeem", redeem)

    def join(authority):
        at = ("10.0.0.1", 8326)
        ticket = Ticket(b"t" * 16, authority.certificate(), OTHER, (at,), ("proxy",), int(NOW_S) + 600)
        asyncio.run(identity.join(folder, write_ticket(ticket), (), "", SystemClock(), SystemEntropy()))

    join(heir)
    assert spent == [heir.certificate()]
    back = settle(folder)
    assert check_issuer(back.identity.certificate, heir.certificate())
    assert (back.identity.mesh, back.identity.node) == (first.identity.mesh, first.identity.node)
    assert back.granted == ("proxy",)
    assert not back.alone
    assert settle(folder, SECRET).authority is None, "the former secret is worth nothing here"
    # Who starts with the same ticket for ever does not spend it again, nor after a further renewal.
    join(heir)
    asyncio.run(go_over(folder, back, NEXT, holds=False))
    join(heir)
    assert len(spent) == 1
    assert check_issuer(settle(folder).identity.certificate, Authority(NEXT, back.identity.mesh).certificate())
