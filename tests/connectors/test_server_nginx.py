"""The server behind a real nginx that speaks TLS, as docs/serving.md sets it up."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

for package in ("uvicorn", "httpx"):
    pytest.importorskip(package, reason="pip install -e '.[server]' httpx to run this")
import httpx  # noqa: E402
from connectors.serving import CONNECTED, logged, rows, served, wait_until  # noqa: E402

NGINX, OPENSSL = (
    shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin"),
    shutil.which("openssl"),
)
pytestmark = pytest.mark.skipif(
    not (NGINX and OPENSSL), reason="apt-get install nginx-light openssl to run this"
)
DOCS = Path(__file__).parents[2] / "docs" / "serving.md"

AROUND = """
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {inside}
}}
"""


def documented(folder: Path, port: int, behind: int) -> str:
    """The configuration in the docs, with this test's ports, name and certificate."""
    found = re.search(r"```nginx\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found, "docs/serving.md has no configuration of nginx"
    inside = found[1].replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    inside = inside.replace("rewards.example.org", "localhost").replace(":5000", f":{behind}")
    inside = re.sub(r"/etc/ssl/\S+(key|crt);", rf"{folder}/\1;", inside)
    assert str(port) in inside
    assert str(behind) in inside
    # Its processes must be let into the test's folder, which is its owner's alone.
    user = "user root;" if os.geteuid() == 0 else ""
    return user + AROUND.format(folder=folder, inside=inside)


@pytest.fixture
def proxied(tmp_path):
    """A client over TLS, the server behind, and its log."""
    subprocess.run(
        [
            *(OPENSSL, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-keyout", f"{tmp_path}/key", "-out", f"{tmp_path}/crt", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with served(tmp_path, f"{CONNECTED}:BOTH", "--token", "behind-nginx") as (client, process, log):
        (tmp_path / "nginx.conf").write_text(documented(tmp_path, port, client.base_url.port))
        nginx = subprocess.Popen(
            [NGINX, "-c", f"{tmp_path}/nginx.conf", "-p", str(tmp_path), "-g", "daemon off;"],
            stderr=(tmp_path / "nginx.err").open("w"),
        )
        try:
            trusting = ssl.create_default_context(cafile=f"{tmp_path}/crt")
            with httpx.Client(
                base_url=f"https://localhost:{port}", verify=trusting, timeout=60
            ) as own:
                assert wait_until(lambda: _answers(own), 20), (tmp_path / "nginx.err").read_text()
                yield own, process, log
        finally:
            nginx.terminate()
            nginx.wait()


def _answers(client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def test_tls_large_bodies_and_the_clients_address(proxied):
    client, process, log = proxied
    assert client.post("/score", json=rows("4")).status_code == 401
    client.headers["Authorization"] = "Bearer behind-nginx"
    big = "x" * (20 * 2**20)
    forged = {"X-Forwarded-For": "203.0.113.9"}
    reply = client.post("/score", json=rows("4", big), headers=forged)
    assert reply.status_code == 200
    assert [one["value"] for one in reply.json()["results"]] == pytest.approx(
        [1.99, -0.01 * len(big)]
    )
    own = reply.headers["x-request-id"]
    found = logged(log, process, "request", request=own)[0]
    # What nginx saw; not what the client said of itself, which stands before it.
    assert found["client"] == "127.0.0.1"
    assert client.post("/score", json=rows("x" * (33 * 2**20))).status_code == 413
    assert client.get("/health").headers["x-content-type-options"] == "nosniff"


def test_a_page_is_refused_behind_the_proxy_too(proxied):
    client, _, _ = proxied
    own = {"Authorization": "Bearer behind-nginx", "Origin": "https://example.org"}
    assert client.post("/score", json=rows("4"), headers=own).status_code == 403
