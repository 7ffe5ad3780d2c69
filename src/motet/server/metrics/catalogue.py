"""Every metric: its name, its meaning, its unit and its labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram"]

LABELS = ("app", "function")


@dataclass(frozen=True, slots=True)
class Metric:
    """One kind of number that is told for each function, or `of_server`. `unit` is empty where things are counted; counters are
    called `NAME_total` by Prometheus."""

    name: str
    kind: Kind
    meaning: str
    by: str = ""
    """A label beside the app's and the function's name."""
    unit: str = ""
    of_server: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its labels."""
        return (*(() if self.of_server else LABELS), *((self.by,) if self.by else ()))

    @property
    def exported(self) -> str:
        """Its name for Prometheus."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


WAITING = Metric("motet_inputs_waiting", "gauge", "Inputs that wait for a container")
RUNNING = Metric("motet_inputs_running", "gauge", "Inputs that run in containers")
SLOTS = Metric("motet_input_slots", "gauge", "Inputs that the ready containers can run at once")
CONTAINERS = Metric("motet_containers", "gauge", "Containers that there are, by what they do", by="state")
DESIRED = Metric("motet_containers_desired", "gauge", "Containers that the autoscaler wants")
INPUTS = Metric("motet_inputs", "counter", "Inputs that have ended, by how", by="outcome")
RETRIES = Metric(
    "motet_input_retries", "counter", "Attempts that were followed by another, by how they ended", by="outcome"
)
STARTS = Metric("motet_container_starts", "counter", "Containers that were started")
ENDS = Metric(
    "motet_container_ends", "counter", "Containers that are gone: stopped, failed to start, or died", by="how"
)
QUEUED = Metric(
    "motet_input_queue_seconds", "histogram", "Time from an input's submission to its first delivery", unit="seconds"
)
EXECUTION = Metric(
    "motet_input_execution_seconds",
    "histogram",
    "Time that the user's code ran in an input's last attempt",
    unit="seconds",
)
LATENCY = Metric(
    "motet_input_latency_seconds", "histogram", "Time from an input's submission to its end", unit="seconds"
)
START = Metric(
    "motet_container_start_seconds", "histogram", "Time from a container's start until it took inputs", unit="seconds"
)

HOME_BYTES = Metric(
    "motet_home_bytes", "gauge", "Bytes on disk under MOTET_HOME, by what they are of", "part", "bytes", of_server=True
)
HOME_FREE = Metric(
    "motet_home_free_bytes", "gauge", "Bytes that are free on the disk of MOTET_HOME", unit="bytes", of_server=True
)
CERTIFICATE_EXPIRY = Metric(
    "motet_certificate_expiry_timestamp_seconds",
    "gauge",
    "When a certificate of the server expires, in seconds since 1970",
    "file",
    "seconds",
    of_server=True,
)
AGENT_SILENCE = Metric(
    "motet_agent_silence_seconds",
    "gauge",
    "Time for which the host agent, which has the containers, has not answered",
    unit="seconds",
    of_server=True,
)
JOURNAL_LAG = Metric(
    "motet_journal_lag_seconds",
    "gauge",
    "Time for which the oldest of what the journal is to keep has waited",
    unit="seconds",
    of_server=True,
)
JOURNAL_TERM = Metric(
    "motet_journal_term", "gauge", "Which opening of the journal this server has; a later one fences it", of_server=True
)
DEPLOYED = Metric("motet_deployed_version", "gauge", "The newest version of an app that serves", "app", of_server=True)

METRICS = (
    *(WAITING, RUNNING, SLOTS, CONTAINERS, DESIRED),
    *(INPUTS, RETRIES, STARTS, ENDS, QUEUED, EXECUTION, LATENCY, START),
    *(HOME_BYTES, HOME_FREE, CERTIFICATE_EXPIRY, AGENT_SILENCE, JOURNAL_LAG, JOURNAL_TERM, DEPLOYED),
)
