"""Asks a node's endpoint as Prometheus and a kubelet do."""

import json
import time
import urllib.error
import urllib.request
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]


def get(url: str, path: str = "", timeout_s: float = 10.0, accept: str = "*/*") -> tuple[int, bytes]:
    """The status and the body."""
    request = urllib.request.Request(url + path, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def get_json(url: str, path: str) -> tuple[int, dict[str, Any]]:
    status, body = get(url, path)
    return status, json.loads(body)


class Scrape:
    """What was scraped.

    Attributes:
        text: The text.
        families: The metrics by name, as their TYPE lines have them.
        values: Each sample by name and labels.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.values: dict[tuple[str, Labels], float] = {}
        for family in self.families.values():
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.values, f"{key} is told twice"
                self.values[key] = sample.value

    def __call__(self, name: str, **labels: str) -> float:
        return self.values[name, frozenset(labels.items())]

    def by(self, name: str, label: str) -> dict[str, float]:
        """The values of a metric by one of its labels."""
        return {dict(labels)[label]: value for (of, labels), value in self.values.items() if of == name}

    @property
    def names(self) -> set[str]:
        """Everything that an expression may name."""
        found = {name for name, _ in self.values}
        for family in self.families.values():
            found |= {family.name} if family.type != "counter" else {f"{family.name}_total"}
        return found


def scrape(url: str) -> Scrape:
    """Scrape a node, whose address is that of its endpoint."""
    status, body = get(url, "/metrics")
    assert status == 200, body
    return Scrape(body.decode())


def wait_for_endpoint(url: str, timeout_s: float = 45.0) -> None:
    """Until somebody answers there."""
    until = time.monotonic() + timeout_s
    while True:
        try:
            get(url, "/livez", timeout_s=1.0)
        except OSError:
            assert time.monotonic() < until, f"nobody answers at {url}"
            time.sleep(0.05)
        else:
            return
