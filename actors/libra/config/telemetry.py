"""`[telemetry]`: what a node remembers of its events, and where it tells of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from libra.config.addresses import split_address
from libra.config.base import Real, Section, Whole


def _endpoint(url: str) -> str:
    scheme = next((scheme for scheme in ("http://", "https://") if url.startswith(scheme)), None)
    if scheme is None or len(url) == len(scheme):
        raise ValueError("has to be http://HOST:PORT or https://HOST:PORT")
    if "@" in url:
        raise ValueError("must not hold a user or a password; set OTEL_EXPORTER_OTLP_HEADERS in the environment")
    return url.rstrip("/")


def _address(address: str) -> str:
    split_address(address)
    return address


class TelemetrySettings(Section):
    """`[telemetry]`: traces of events, for `libra trace` and for OpenTelemetry; metrics and health over HTTP."""

    metrics: Annotated[str, AfterValidator(_address)] | None = Field(
        default=None,
        description="HOST:PORT at which a node serves /metrics for Prometheus, /livez, /readyz, /startupz and /status; "
        "port 0 for any free one. Nodes of a topology take the ports from this one on. Without it nothing is served.",
    )
    metrics_symbols: tuple[str, ...] = Field(
        default=(),
        description="Instruments, as SYMBOL or SYMBOL@VENUE, that have metrics of their own: positions and limits.",
    )

    recent_events: Annotated[Whole, Field(ge=0, le=10_000_000)] = Field(
        default=65_536,
        description="Notes of recent events that a node keeps for libra trace, 80 bytes each; 0 for none.",
    )
    sample: Annotated[Real, Field(ge=0, le=1)] = Field(
        default=0.0,
        description="The part of market data's traces that is followed; orders, risk and signals always are.",
    )
    traces: Literal["none", "console", "otlp"] = Field(
        default="none",
        description='Where spans go: "otlp" to a collector by OTLP over HTTP, "console" to stderr; needs libra[otel].',
    )
    endpoint: Annotated[str, AfterValidator(_endpoint)] | None = Field(
        default=None,
        description="The collector, such as http://localhost:4318, to which /v1/traces is added; without it "
        "OTEL_EXPORTER_OTLP_ENDPOINT says.",
    )
    queue: Annotated[Whole, Field(ge=256, le=10_000_000)] = Field(
        default=16_384,
        description="Notes that may wait to be exported; more are dropped, and counted.",
    )

    def of_node(self, place: int) -> TelemetrySettings:
        """The section as one node of a topology has it.

        Args:
            place: Its place among the nodes, 0 for the first, which has the profile's port; the next one has the next.
        """
        if self.metrics is None:
            return self
        host, port = split_address(self.metrics)
        shown = f"[{host}]" if ":" in host else host
        return self.model_copy(update={"metrics": f"{shown}:{port + place if port else 0}"})
