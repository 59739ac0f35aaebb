"""Joining with a ticket and being revoked, with nodes as people start them."""

import subprocess
import time

import pytest

from mesh.core.secret import make_secret
from simulations.hosts.processes import THATDAM, Process, alive, end, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("joining")]


def lone(folder, name, *flags, **more):
    return Process(folder / name, "--name", name, *flags, secret="", **more)


def fails(node, *flags):
    """Start it with these flags; gives the sentence it ends with."""
    command = [THATDAM, "up", "--port", "0", "--data", str(node.data), *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, env=node.environment)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def see(nodes, count):
    for node in nodes:
        until(lambda node=node: len(alive(node)) == count, 60, f"{count} nodes are seen alive")


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    """Three nodes: one born alone, two with its tickets."""
    folder = tmp_path_factory.mktemp("joined")
    nodes = [lone(folder, "first").start()]
    try:
        for name in ("second", "third"):
            ticket = nodes[0].json("invite", "--role", "proxy", "--role", "storage")["ticket"]
            made = lone(folder, name, "--join", ticket, settings={"THATDAM_NODE_ROLES": ""})
            nodes.append(made.start())
        see(nodes, 3)
        yield nodes
    finally:
        end(nodes)


def test_a_ticket_lets_a_machine_in_that_knows_no_secret(mesh):
    first, second, third = mesh
    shown = first.get("/api/v1/nodes")
    assert shown["mesh"] == third.get("/api/v1/nodes")["mesh"]
    roles = {row["name"]: row["roles"] for row in shown["nodes"]}
    assert set(roles["second"]) <= {"proxy", "storage"}
    told = next(row for row in second.get("/api/v1/nodes")["nodes"] if row["name"] == "second")
    assert told["role_reasons"]["daemon"] == "this node's ticket does not grant it"
    # What one signs the others take: a person of one node signs in at another.
    first.http().post("/api/v1/users", json={"name": "kim", "password": "correct horse", "role": "operator"})
    until(lambda: [row["name"] for row in third.get("/api/v1/users")["users"] if row["name"] == "kim"], 30)
    assert "one node alone can admit" in second.run("status")


def test_it_comes_back_without_the_ticket_and_without_the_one_that_admitted_it(mesh):
    first, second, third = mesh
    second.flags = ("--name", "second")
    second.stop()
    first.stop()
    second.start()
    see([second, third], 2)
    first.start()
    see(mesh, 3)


def test_a_ticket_lets_one_machine_in_and_the_same_one_again(mesh, tmp_path):
    first = mesh[0]
    ticket = first.json("invite", "--role", "proxy")["ticket"]
    once = lone(tmp_path, "once", settings={"THATDAM_NODE_ROLES": ""})
    once.flags = ("--name", "once", "--join", ticket)
    once.start()
    see([first], 4)
    certificate = (once.data / "node.crt").read_bytes()
    once.stop()
    # A crash between the redemption and its answer: the same key gets the same certificate.
    for name in ("node.crt", "mesh.ca", "roster.entry"):
        (once.data / name).unlink()
    once.start()
    assert (once.data / "node.crt").read_bytes() == certificate
    once.stop()
    other = lone(tmp_path, "other", settings={"THATDAM_NODE_ROLES": ""})
    assert "let another machine in" in fails(other, "--join", ticket)
    assert "has a slip" in fails(other, "--join", ticket[:-9])
    assert "not granted the role daemon" in fails(once, "--role", "daemon")
    until(lambda: "let another machine in" in first.log(), 10, "the refusal is logged")


def test_wrong_tickets_are_sentences(mesh, tmp_path):
    first = mesh[0]
    ticket = first.json("invite")["ticket"]
    elsewhere = lone(tmp_path, "elsewhere", settings={"THATDAM_NODE_ROLES": ""}).start()
    try:
        assert "another node uses" in elsewhere.run("up", "--port", "0", "--join", ticket, code=1)
    finally:
        elsewhere.stop()
    assert "belongs to another mesh" in fails(elsewhere, "--join", ticket)
    assert "made that ticket itself" in (first.stop() or fails(first, "--join", ticket))
    late = lone(tmp_path, "late", settings={"THATDAM_NODE_ROLES": ""})
    assert "was not reached" in fails(late, "--join", ticket)
    first.start()
    see(mesh, 3)
    storing = first.json("invite", "--role", "storage")["ticket"]
    assert "not granted the role encoder" in fails(late, "--join", storing, "--role", "encoder")
    assert "not granted the role encoder" in fails(lone(tmp_path, "later"), "--join", storing, "--role", "encoder"), (
        "a ticket that does not do is not spent"
    )
    assert "no time" in first.run("invite", "--expires", "soon", code=2)
    assert "no role" in first.run("invite", "--role", "king", code=1)
    assert "cannot invite" in mesh[1].run("invite", code=1)
    assert "at most 30d" in first.run("invite", "--expires", "90d", code=2)


def test_bad_orders_are_sentences(mesh):
    first, second, _ = mesh
    assert "only node that can admit" in first.run("revoke", "first", "--yes", code=1)
    assert "there is no node" in first.run("revoke", "nobody", "--yes", code=1)
    assert "say --yes" in first.run("revoke", "third", code=2)
    assert "cannot revoke" in second.run("revoke", "third", "--yes", code=1)
    assert "there is no node" in first.run("admit", "nobody", code=1)


def test_another_node_is_let_admit_and_does_when_the_first_is_lost(mesh, tmp_path):
    first, second, third = mesh
    first.run("admit", "second")
    until(lambda: len(third.get("/api/v1/nodes")["standing"]["admitting"]) == 2, 30, "everybody knows")
    assert "one node alone" not in third.run("status")
    first.stop()
    until(lambda: "first has left" in second.run("status"), 30, "it is missed, for it may keep something")
    ticket = second.json("invite", "--role", "proxy")["ticket"]
    fourth = lone(tmp_path, "fourth", "--join", ticket, settings={"THATDAM_NODE_ROLES": ""}).start()
    try:
        see([second, third, fourth], 3)
        second.stop()
        second.start()
        assert second.get("/api/v1/nodes")["standing"]["admits"]
    finally:
        fourth.stop()
        first.start()
    see([first, second, third], 3)


def test_a_revoked_node_is_out_at_once_and_for_good(mesh):
    first, second, third = mesh
    gone = next(row["id"] for row in first.get("/api/v1/nodes")["nodes"] if row["name"] == "third")
    assert "is revoked" in second.run("revoke", "third", "--yes", "--reason", "stolen")
    until(lambda: "third" not in alive(first) and "third" not in alive(second), 60, "it is out")
    state = {row["id"]: row["state"] for row in first.get("/api/v1/nodes")["nodes"]}
    assert state.get(gone, "revoked") == "revoked"
    third.stop()
    third.start()
    until(lambda: "revoked: stolen" in first.log() + second.log(), 60, "its dials are refused, and logged")
    assert "third" not in alive(first)
    told = until(lambda: third.get("/api/v1/nodes")["standing"]["refused"], 60, "it knows that it is refused")
    assert any("revoked" in one["reason"] for one in told)
    assert "refused     " in third.run("status")
    assert not first.get("/api/v1/nodes")["standing"]["refused"], "it was this side that said no"
    assert "was revoked before" in first.run("revoke", gone, "--yes")
    ticket = first.json("invite")["ticket"]
    third.stop()
    for name in ("node.crt",):
        (third.data / name).unlink()
    assert "was revoked" in fails(third, "--join", ticket)


def test_revoking_one_that_can_admit_gives_the_mesh_a_new_authority(mesh, tmp_path):
    first, second, _ = mesh
    before = (first.data / "mesh.ca").read_bytes()
    told = second.json("revoke", "first", "--yes")
    assert told["authority_renewed"]
    until(lambda: (second.data / "mesh.ca").read_bytes() != before, 30)
    ticket = second.json("invite", "--role", "proxy")["ticket"]
    fifth = lone(tmp_path, "fifth", "--join", ticket, settings={"THATDAM_NODE_ROLES": ""}).start()
    try:
        see([second, fifth], 2)
        # What the revoked holder makes with the old authority lets nobody in.
        with_old = first.json("invite", "--role", "proxy")["ticket"]
        sixth = lone(tmp_path, "sixth", "--join", with_old, settings={"THATDAM_NODE_ROLES": ""})
        sixth.start()
        time.sleep(8)
        assert "sixth" not in alive(second)
        assert alive(sixth) == [] or "second" not in alive(sixth)
        sixth.stop()
    finally:
        fifth.stop()


def test_a_mesh_of_one_secret_goes_on_without_it_once_a_holder_is_revoked(tmp_path):
    secret = make_secret(b"another secret......")
    one = Process(tmp_path / "one", "--name", "one", secret=secret).start()
    two = Process(tmp_path / "two", "--name", "two", "--join", f"127.0.0.1:{one.mesh_port}", secret=secret).start()
    three = Process(
        tmp_path / "three", "--name", "three", "--join", f"127.0.0.1:{one.mesh_port}", secret=secret
    ).start()
    try:
        see([one, two, three], 3)
        until(lambda: len(one.get("/api/v1/nodes")["standing"]["admitting"]) == 3, 30)
        assert one.json("revoke", "three", "--yes")["authority_renewed"]
        until(lambda: two.get("/api/v1/nodes")["standing"]["admits"], 60, "the other holder has the new authority")
        see([one, two], 2)
        for node, other in ((one, two), (two, one)):
            node.stop()
            # With the old secret in its environment still, and at other ports.
            node.flags = ("--name", node.data.name, "--join", f"127.0.0.1:{other.mesh_port}")
            node.start()
            see([one, two], 2)
        assert "leave THATDAM_SECRET out" in two.log()
    finally:
        end([one, two, three])


def test_two_sides_that_each_renewed_the_authority_are_told_and_come_together_with_a_ticket(tmp_path):
    secret = make_secret(b"a third secret......")
    one = Process(tmp_path / "one", "--name", "one", secret=secret).start()
    two = Process(tmp_path / "two", "--name", "two", "--join", f"127.0.0.1:{one.mesh_port}", secret=secret).start()
    nodes = [one, two]
    try:
        see(nodes, 2)
        until(lambda: len(two.get("/api/v1/nodes")["standing"]["admitting"]) == 2, 30)
        kept = tmp_path / "kept.txt"
        kept.write_text("what it keeps")
        two.run("put", str(kept))
        before = next(row["id"] for row in two.get("/api/v1/nodes")["nodes"] if row["self"])
        # Each renews while the other is gone, and neither hears of it.
        two.stop()
        one.run("authority", "--renew")
        one.stop()
        two.flags = ("--name", "two")
        two.start()
        two.run("authority", "--renew")
        one.flags = ("--name", "one", "--join", f"127.0.0.1:{two.mesh_port}")
        one.start()
        see(nodes, 2)
        for node, other in ((one, "two"), (two, "one")):
            until(lambda node=node: node.get("/api/v1/nodes")["standing"]["warnings"], 60, "people are told")
            assert f"{other} goes by the other one" in node.run("status")
            assert f"{other} goes by the other one" in node.json("status")["standing"]["warnings"][0]
        ticket = one.json("invite")["ticket"]
        two.stop()
        two.flags = ("--name", "two", "--join", ticket)
        two.start()
        see(nodes, 2)
        assert (one.data / "mesh.ca").read_bytes() == (two.data / "mesh.ca").read_bytes()
        assert before in {row["id"] for row in one.get("/api/v1/nodes")["nodes"] if row["name"] == "two"}
        until(lambda: "kept.txt" in two.run("ls"), 30, "what it kept is there")
        for node in nodes:
            until(lambda node=node: not node.get("/api/v1/nodes")["standing"]["warnings"], 60, "nothing is to be done")
        one.run("admit", "two")
        until(lambda: two.get("/api/v1/nodes")["standing"]["admits"], 30, "it can admit as before")
    finally:
        end(nodes)
