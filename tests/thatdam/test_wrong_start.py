"""What is in the way of a start is told in one sentence that says what to do, at once, and nothing is changed."""

import socket
import sqlite3
import subprocess

import pytest

from mesh.core.secret import make_secret
from simulations.hosts.processes import THATDAM, Process

pytestmark = pytest.mark.slow


def refused(data, *flags, port="0", **environment):
    """Start a node that must not start; give what it told."""
    node = Process(data, secret="", settings=environment)
    command = [THATDAM, "up", "--data", str(data), *(("--port", port) if port else ()), *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=node.environment)
    assert done.returncode in (1, 2), done.stdout
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3, done.stderr
    return " ".join(done.stderr.split())


def test_a_data_folder_of_a_newer_release(tmp_path):
    node = Process(tmp_path / "n", secret="").start()
    node.stop()
    with sqlite3.connect(tmp_path / "n" / "node.db") as database:
        database.execute("UPDATE meta SET value = 999 WHERE key = 'schema'")
    assert "newer release" in refused(tmp_path / "n")


def test_a_data_folder_of_another_mesh(tmp_path):
    Process(tmp_path / "n", secret=make_secret(b"one mesh............")).start().stop()
    told = refused(tmp_path / "n", THATDAM_SECRET=make_secret(b"the other mesh......"))
    assert "another mesh" in told
    assert "--data" in told


def test_joining_an_address_without_the_secret_does_not_make_the_folder_a_mesh_of_its_own(tmp_path):
    assert "THATDAM_SECRET" in refused(tmp_path / "n", "--join", "127.0.0.1:9")
    assert not (tmp_path / "n" / "mesh.ca").exists()
    secret = make_secret(b"one mesh............")
    Process(tmp_path / "n", "--join", "127.0.0.1:9", secret=secret).start().stop()


def test_a_data_folder_in_use(tmp_path):
    node = Process(tmp_path / "n", secret="").start()
    try:
        assert "another node uses the data folder" in refused(tmp_path / "n")
    finally:
        node.stop()


def test_a_data_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    assert "cannot use the data folder" in refused(tmp_path / "file")
    assert "cannot use the data folder" in refused("/proc/self/nothing")


def test_a_damaged_key_is_refused_and_a_damaged_database_is_made_anew(tmp_path):
    Process(tmp_path / "n", secret="").start().stop()
    whole = (tmp_path / "n" / "node.key").read_bytes()
    (tmp_path / "n" / "node.key").write_bytes(b"short")
    assert "node.key is damaged" in refused(tmp_path / "n")
    (tmp_path / "n" / "node.key").write_bytes(whole)
    (tmp_path / "n" / "node.db").write_bytes(b"this is no database " * 500)
    node = Process(tmp_path / "n", secret="").start()
    try:
        assert "the database was made anew" in node.log()
        assert node.json("ls") == []
    finally:
        node.stop()
    assert (tmp_path / "n" / "node.damaged-1.db").exists()


def test_ports_that_are_taken(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        taken = str(udp.getsockname()[1])
        told = refused(tmp_path / "n", port="", THATDAM_MESH_PORT=taken, THATDAM_HTTP_PORT="0")
        assert taken in told
        assert "--port" in told
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        told = refused(tmp_path / "n", port=str(tcp.getsockname()[1]))
        assert "is taken" in told
        assert "--port" in told


@pytest.mark.parametrize("secret", ["hunter2", "tds-aaaaaa-aaaaaa-aaaaaa-aaaaaa-aaaaaa-aaaaaa"])
def test_a_weak_or_mistyped_secret(tmp_path, secret):
    assert "thatdam secret" in refused(tmp_path / "n", THATDAM_SECRET=secret)
    assert not (tmp_path / "n" / "mesh.ca").exists()


def test_join_without_the_secret(tmp_path):
    assert "THATDAM_SECRET" in refused(tmp_path / "n", "--join", "127.0.0.1:8326")


def test_settings_that_are_wrong(tmp_path):
    assert "no port" in refused(tmp_path / "n", port="99999")
    assert "there is no role" in refused(tmp_path / "n", "--role", "king")
    assert "mesh.copies" in refused(tmp_path / "n", "--copies", "0")
    assert "no address" in refused(tmp_path / "n", "--join", "a:b:c:d", THATDAM_SECRET=make_secret(b"a" * 20))
