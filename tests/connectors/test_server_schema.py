"""The server against its own description, and its counts against Prometheus' reader."""

from __future__ import annotations

import pytest

for package in ("uvicorn", "httpx"):
    pytest.importorskip(package, reason="pip install -e '.[server]' to run this")
schemathesis = pytest.importorskip("schemathesis", reason="pip install schemathesis to run this")
from connectors.serving import CONNECTED, rows, served  # noqa: E402
from hypothesis import HealthCheck, given, seed, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from prometheus_client.parser import text_string_to_metric_families  # noqa: E402

TOKEN = "a-token-for-tests"


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """A server with a token, and what it says of itself."""
    options = ("--token", TOKEN, "--max-body", "1")
    folder = tmp_path_factory.mktemp("described")
    with served(folder, f"{CONNECTED}:BOTH", *options) as (client, _, _):
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        yield client, schemathesis.openapi.from_dict(client.get("/openapi.json").json())


def test_every_path_is_described(described):
    client, schema = described
    paths = set(schema.raw_schema["paths"])
    assert paths == {"/score", "/get_reward", "/health", "/info", "/metrics", "/openapi.json"}
    assert client.get("/nowhere").json()["error"].endswith("/openapi.json")


@pytest.mark.parametrize("path", ["/score", "/get_reward", "/health", "/info", "/metrics"])
@pytest.mark.parametrize("right", [True, False])
def test_the_server_keeps_its_description(described, path, right):
    """Requests made by the description are taken; others are refused as it says."""
    client, schema = described
    mode = schemathesis.GenerationMode.POSITIVE if right else schemathesis.GenerationMode.NEGATIVE
    operation = schema[path]["POST" if path in ("/score", "/get_reward") else "GET"]
    if not right and operation.method.upper() == "GET":
        pytest.skip("nothing in a GET can be wrong")

    @seed(7)
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case):
        if right and path == "/get_reward":
            _as_long_as_query(case.body)
        said = case.call(
            base_url=f"{client.base_url}", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        if said.status_code != 413:  # a refusal that schemathesis does not count as one
            case.validate_response(said)

    run()


def _as_long_as_query(body) -> None:
    """What JSON Schema can't say: the lists have one length."""
    if isinstance(body, dict) and isinstance(body.get("query"), list):
        for name in ("prompts", "labels"):
            if isinstance(given := body.get(name), list) and given:
                count = len(body["query"])
                body[name] = (given * count)[:count]


@seed(7)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=200), path=st.sampled_from(["/score", "/get_reward"]))
def test_bytes_that_are_no_json_are_never_an_error_of_the_server(described, data, path):
    client, _ = described
    reply = client.post(path, content=data, headers={"Content-Type": "application/json"})
    assert reply.status_code in (400, 422)
    assert set(reply.json()) == {"error", "request"}


def test_metrics_are_in_prometheus_format(described):
    client, _ = described
    client.post("/score", json=rows("4", "crash"))
    client.get("/nowhere")
    reply = client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {one.name: one for one in text_string_to_metric_families(reply.text)}
    requests = {
        (s.labels["path"], s.labels["status"]): s.value
        for s in families["guerdon_requests"].samples
    }
    assert requests["/score", "200"] >= 1
    assert requests["other", "404"] >= 1
    seconds = families["guerdon_request_seconds"].samples
    buckets = [s.value for s in seconds if s.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == sum(requests.values())
    invalid = {s.labels["kind"]: s.value for s in families["guerdon_invalid_rows"].samples}
    assert invalid["raised"] >= 1
    assert families["guerdon_in_flight"].samples[0].value == 1  # this request itself
    assert families["guerdon_held"].samples[0].value == 0
