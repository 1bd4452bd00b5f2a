"""Asks a server what Grafana and scripts ask, over httpx and prometheus-api-client, and checks the answers."""

import datetime
import sys

import httpx
from prometheus_api_client import PrometheusConnect

url, newest = sys.argv[1], int(sys.argv[2])


def grafana() -> None:
    form = "application/x-www-form-urlencoded"
    with httpx.Client(base_url=url, headers={"Accept-Encoding": "gzip", "X-Grafana-Org-Id": "1"}) as client:
        health = client.post("/api/v1/query", content="query=1%2B1&time=4", headers={"Content-Type": form})
        assert health.text == '{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}', health.text
        assert client.get("/api/v1/status/buildinfo").json()["data"]["version"] >= "2.24.0"
        assert client.get("/api/v1/rules").json() == {"status": "success", "data": {"groups": []}}
        milliseconds = newest * 1000
        probe = {"query": "test", "start": milliseconds - 1_800_000, "end": milliseconds}
        assert client.get("/api/v1/query_exemplars", params=probe).json() == {"status": "success", "data": []}
        window = {"start": newest - 3600, "end": newest}
        names = client.get("/api/v1/label/__name__/values", params=window).json()["data"]
        assert names == ["requests_total", "temperature_celsius"], names
        panel = {"query": "sum by (code) (rate(requests_total[1m0s]))", "step": 15, **window}
        found = client.post("/api/v1/query_range", data=panel)
        assert found.headers["content-encoding"] == "gzip", found.headers
        assert found.headers["content-type"] == "application/json", found.headers
        series = {one["metric"]["code"]: one["values"] for one in found.json()["data"]["result"]}
        assert all(abs(float(value) - 1 / 15) < 1e-9 for _, value in series["500"][-9:]), series["500"][-9:]
        assert series["200"][-1][0] == newest, series["200"][-1]
        wrong = client.post("/api/v1/query", data={"query": "sum("})
        assert wrong.status_code == 400 and wrong.json()["errorType"] == "bad_data", wrong.text


def script() -> None:
    client = PrometheusConnect(url=url)
    assert client.check_prometheus_connection()
    assert client.all_metrics() == ["requests_total", "temperature_celsius"]
    assert client.get_label_values("code") == ["200", "500"]
    now = datetime.datetime.fromtimestamp(newest)
    found = client.custom_query("requests_total", params={"time": newest})
    assert sorted(one["value"][1] for one in found) == ["240", "720"], found
    start = now - datetime.timedelta(minutes=30)
    ranges = client.custom_query_range("temperature_celsius", start, now, "60")
    assert len(ranges) == 1 and len(ranges[0]["values"]) == 31, ranges
    values = [float(value) for _, value in ranges[0]["values"]]
    assert 18.9 < min(values) < max(values) < 21.1, values


grafana()
script()
print("all answered")
