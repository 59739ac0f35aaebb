"""The viewer on the LAN: asked from another host, by HTTPS, with the certificate that was printed; and not without."""

import hashlib
import json
import re
import ssl
import stat

import pytest

from simulations.hosts.lan import lan
from simulations.hosts.processes import Process, end, until
from tests.namespaces import needs_namespaces

pytestmark = [pytest.mark.slow, pytest.mark.needs_root, needs_namespaces, pytest.mark.xdist_group("namespaces")]
ASK = """
import httpx, json, sys
out = []
with httpx.Client(verify=False, timeout=10) as http:
    for method, url, more in json.loads(sys.argv[1]):
        try:
            answer = http.request(method, url, **more)
            out.append([answer.status_code, dict(answer.headers), answer.text[:400]])
        except httpx.TransportError as error:
            out.append([0, {}, type(error).__name__])
print(json.dumps(out))
"""
CERTIFICATE = """
import ssl, sys
print(ssl.get_server_certificate((sys.argv[1], int(sys.argv[2]))))
"""


def from_host(network, number, script, *words):
    import subprocess
    import sys

    done = subprocess.run(
        [*network.inside(number), sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(network, number, *requests):
    return json.loads(from_host(network, number, ASK, json.dumps(requests)))


def node_on(network, folder, *flags):
    environment = {"THATDAM_MESH_HOST": "", "THATDAM_MESH_MDNS": "false"}
    return Process(folder, *flags, prefix=network.inside(0), settings=environment).start()


def http_port(node):
    return int(re.search(r"^API +http://127\.0\.0\.1:(\d+)", node.log(), re.MULTILINE).group(1))


def test_with_lan_a_phone_signs_in_by_https_with_the_certificate_that_was_printed(tmp_path):
    with lan(2) as network:
        node = node_on(network, tmp_path / "n", "--lan")
        try:
            log, at = node.log(), f"https://{network.addresses[0]}:{http_port(node)}"
            printed = re.search(r"(?:[0-9A-F]{2}:){31}[0-9A-F]{2}", log).group()
            link = re.findall(rf"{re.escape(at)}/#/login/(\S+)", log)[-1]
            assert "█" in log
            shown = from_host(network, 1, CERTIFICATE, network.addresses[0], str(http_port(node)))
            digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).hexdigest().upper()
            assert digest == printed.replace(":", "")
            page, signed, again, tricked, plain, metrics = ask(
                network,
                1,
                ["GET", f"{at}/", {}],
                ["POST", f"{at}/api/v1/session", {"json": {"link": link}}],
                ["GET", f"{at}/api/v1/session", {}],
                ["GET", f"{at}/api/v1/session", {"headers": {"Host": "evil.example"}}],
                ["GET", at.replace("https", "http"), {}],
                ["GET", f"{at}/metrics", {"headers": {"Cookie": ""}}],
            )
            assert page[0] in (200, 503)  # 503 where the viewer was not built
            assert signed[0] == 200
            cookie = signed[1]["set-cookie"].lower()
            assert all(word in cookie for word in ("secure", "httponly", "samesite=lax"))
            assert (again[0], json.loads(again[2])["role"]) == (200, "admin")
            assert tricked[0] == 421
            assert plain[0] == 0
            assert metrics[0] == 401
            assert stat.S_IMODE((tmp_path / "n" / "lan.key").stat().st_mode) == 0o600
        finally:
            end([node])
        restarted = node_on(network, tmp_path / "n", "--lan")
        try:
            until(lambda: restarted.log().count("stop    Ctrl-C") == 2, told="the second start is whole")
            assert re.findall(r"(?:[0-9A-F]{2}:){31}[0-9A-F]{2}", restarted.log()) == [printed, printed]
        finally:
            end([restarted])


def test_without_lan_nobody_else_can_ask_and_it_says_how(tmp_path):
    with lan(2) as network:
        node = node_on(network, tmp_path / "n")
        try:
            at = f"{network.addresses[0]}:{http_port(node)}"
            answers = ask(network, 1, ["GET", f"http://{at}/", {}], ["GET", f"https://{at}/", {}])
            assert [answer[0] for answer in answers] == [0, 0]
            assert "--lan" in node.log()
        finally:
            end([node])
