"""The keywords of decorators, and of what changes a function later: one row for each, of which type checkers read the type.

Another keyword is a row here, the field of the specification that it is for, and a line of the guide's table.
"""

# Without `from __future__ import annotations`: the rows are read from them.

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal, TypedDict

from motet.sdk.options import checked, placing
from motet.sdk.options.checks import check_bool
from motet.sdk.options.image import Image
from motet.sdk.options.keyword import REQUIRED, Renamed, Setting, Unavailable, WithoutEffect, rows
from motet.sdk.options.retries import Retries
from motet.sdk.options.schedule import Schedule, schedule
from motet.sdk.options.secret import Secret

_FILES = "Containers run on this machine and see its files: pass the functions a path instead."
_NETWORK = "Containers use this machine's network:"
_bound = partial(Setting, part="autoscaler")
_resource = partial(Setting, part="resources")
_declared = partial(Setting, part="declared")
_off = WithoutEffect((None, False))


class AutoscalerOptions(TypedDict, total=False):
    """The keywords of `update_autoscaler`. Leaving one out, or None, changes nothing."""

    min_containers: Annotated[int | None, _bound(checked.count, "containers kept at all times", "0")]
    max_containers: Annotated[int | None, _bound(checked.limit, "never more than this", "8 per core, 16 at least")]
    buffer_containers: Annotated[
        int | None, _bound(checked.count, "idle containers on top of demand while there are inputs", "0")
    ]
    scaledown_window: Annotated[
        float | None, _bound(checked.window, "seconds a container may be idle, 2 to 3600", "60")
    ]


class VariantOptions(AutoscalerOptions, total=False):
    """What `with_options` can change of a function or class. Leaving a keyword out, or None, changes nothing."""

    timeout: Annotated[
        float | None, Setting(checked.timeout, "seconds an attempt may take, up to 86400", "300", takes_none=False)
    ]
    # Checked with the function's name, which its message has.
    retries: Annotated[int | Retries | None, Setting(checked.later, "an int, or `motet.Retries`", "0")]
    secrets: Annotated[
        Sequence[Secret] | None,
        Setting(checked.secrets, "environment variables of its containers", "none", field="env"),
    ]
    env: Annotated[
        Mapping[str, str | None] | None, Setting(checked.env, "environment variables of its containers", "none")
    ]
    gpu: Annotated[
        str | list[str] | None,
        _resource(
            checked.gpu, 'GPUs of its own for each container: `"H100"`, `"A100:2"`, `["H100", "any:0.5"]`', "none"
        ),
    ]
    cpu: Annotated[  # cores, or (request, limit)
        float | tuple[float, float] | None,
        _resource(checked.cpu, "cores: a number is recorded, of `(request, limit)` the limit is enforced", "none"),
    ]
    memory: Annotated[  # MiB, or (request, limit)
        int | tuple[int, int] | None,
        _resource(
            checked.memory,
            "MiB: a number is recorded, of `(request, limit)` the limit is enforced",
            "none",
            field="memory_mib",
        ),
    ]
    isolation: Annotated[
        Literal["process", "bubblewrap", "oci"] | None,
        Setting(checked.isolation, 'the isolation level: `"process"`, `"bubblewrap"` or `"oci"`', "the server's"),
    ]
    volumes: Annotated[Mapping[Any, Any] | None, Unavailable(_FILES)]
    cloud: Annotated[str | None, WithoutEffect()]
    region: Annotated[str | Sequence[str] | None, WithoutEffect()]
    routing_region: Annotated[str | None, WithoutEffect()]
    concurrency_limit: Annotated[int | None, Renamed("max_containers")]
    keep_warm: Annotated[int | None, Renamed("min_containers")]
    container_idle_timeout: Annotated[float | None, Renamed("scaledown_window")]
    allow_concurrent_inputs: Annotated[
        int | None,
        Setting(
            checked.concurrent_inputs,
            field="concurrency",
            deprecated="The 'allow_concurrent_inputs' parameter is deprecated. Use the '@motet.concurrent' decorator instead.",
        ),
    ]


class ClassOptions(VariantOptions, total=False):
    """The keywords of `@app.cls`."""

    startup_timeout: Annotated[
        float | None, Setting(checked.timeout, "seconds for imports and enter hooks", "as `timeout`")
    ]
    queue_timeout: Annotated[
        float | None, Setting(checked.seconds, "seconds an input may wait for its first attempt", "as long as it takes")
    ]
    max_waiting_inputs: Annotated[
        int | None,
        Setting(checked.waiting_inputs, "inputs that may wait; more are refused", "2,000; of spawned calls 1,000,000"),
    ]
    cancellation_grace: Annotated[
        float | None,
        Setting(checked.seconds, "seconds a cancelled input has to end before its container is given up", "10"),
    ]
    sync_cancellation: Annotated[
        Literal["input", "container"] | None,
        Setting(
            checked.sync_cancellation,
            'what cancelling a sync input among others ends: `"input"` or `"container"`',
            '`"input"`',
        ),
    ]
    delivery: Annotated[
        Literal["at_least_once", "at_most_once"] | None,
        Setting(
            checked.delivery,
            'whether an input runs again when its container dies: `"at_least_once"` or `"at_most_once"`',
            '`"at_least_once"`',
        ),
    ]
    image: Annotated[
        Image | None,
        Setting(checked.image, "a `motet.Image`: what its containers have installed", "the app's"),
    ]
    serialized: Annotated[
        bool,
        _declared(
            check_bool, "the code travels by value instead of being imported in containers", "False", takes_none=False
        ),
    ]
    enable_memory_snapshot: Annotated[
        bool,
        Setting(
            check_bool,
            "containers are forked from a process that has imported the code",
            "False",
            field="memory_snapshot",
            takes_none=False,
        ),
    ]
    single_use_containers: Annotated[
        bool, Setting(check_bool, "a container ends after one input", "False", takes_none=False)
    ]
    max_inputs: Annotated[
        int | None,
        Setting(
            checked.single_use,
            field="single_use_containers",
            deprecated="The 'max_inputs' parameter is deprecated. Use 'single_use_containers=True' instead.",
        ),
    ]
    network_file_systems: Annotated[Mapping[Any, Any] | None, Unavailable(_FILES)]
    proxy: Annotated[Any, Unavailable(f"{_NETWORK} set HTTP_PROXY and HTTPS_PROXY with `env=` instead.")]
    block_network: Annotated[
        bool, Setting(check_bool, "containers have no network; needs walls", "False", takes_none=False)
    ]
    i6pn: Annotated[bool | None, Unavailable("Containers run on one machine: let them talk over localhost instead.")]
    ephemeral_disk: Annotated[
        int | None,
        _resource(checked.disk, "MiB that a container's temporary directory may take", "none", field="disk_mib"),
    ]
    resources: Annotated[
        Mapping[str, float] | None,
        _resource(
            placing.resources,
            'what else its host is to have, reserved: `{"ssd": 1}` of `motet host join --resource ssd=4`',
            "none",
            field="custom",
        ),
    ]
    labels: Annotated[
        Mapping[str, str] | None,
        _resource(placing.labels, 'what its host is like: `{"zone": "a"}` of `motet host join --label zone=a`', "none"),
    ]
    placement: Annotated[
        Literal["pack", "spread"] | None,
        _resource(
            placing.placement,
            'which host: `"pack"`, one in use while each container has a core; `"spread"`, that with fewest of the function',
            '`"pack"`',
        ),
    ]
    nonpreemptible: Annotated[bool, _off]
    restrict_modal_access: Annotated[
        bool, Setting(check_bool, "code in its containers can call nothing on the server", "False", takes_none=False)
    ]
    include_source: Annotated[bool | None, WithoutEffect((None, True))]
    experimental_options: Annotated[Mapping[str, Any] | None, WithoutEffect((None, {}))]


class FunctionOptions(ClassOptions, total=False):
    """The keywords of `@app.function`."""

    name: Annotated[str | None, _declared(checked.name, "the function's name", "the Python name")]
    is_generator: Annotated[bool | None, _declared(check_bool)]  # None: looked up
    schedule: Annotated[
        Schedule | None,
        Setting(schedule, "a `motet.Cron` or `motet.Period`: when it runs by itself once it is deployed", "none"),
    ]


class _MaxInputs(TypedDict):
    max_inputs: Annotated[int, Setting(checked.max_inputs, "inputs at once in a container, 1 to 1000", REQUIRED)]


class ConcurrencyOptions(_MaxInputs, total=False):
    """The keywords of `@motet.concurrent` and `with_concurrency`."""

    target_inputs: Annotated[
        int | Literal["auto"] | None,
        Setting(
            checked.target_inputs,
            'inputs per container that the autoscaler provides for; `"auto"`: learned',
            "as `max_inputs`",
        ),
    ]
    slo_p95: Annotated[
        float | None, Setting(checked.slo, 'with `"auto"`: seconds that 95 % of inputs may run at most', "none")
    ]


class BatchingOptions(TypedDict):
    """The keywords of `@motet.batched` and `with_batching`."""

    max_batch_size: Annotated[
        int, Setting(checked.batch_size, "inputs in a batch, 1 to 1000", REQUIRED, takes_none=False)
    ]
    wait_ms: Annotated[
        int | Literal["auto"],
        Setting(
            checked.wait_ms,
            'milliseconds that a batch waits after its first input, 0 to 600,000; `"auto"`: learned',
            REQUIRED,
            takes_none=False,
        ),
    ]


class WebOptions(TypedDict, total=False):
    """The keywords of `@motet.asgi_app` and `@motet.wsgi_app`."""

    label: Annotated[
        str | None, Setting(checked.label, "the part of its URL that names it", "the names of app and function")
    ]
    custom_domains: Annotated[
        Sequence[str] | None, Setting(checked.host_names, "host names that lead here too", "none")
    ]
    requires_proxy_auth: Annotated[
        bool, Setting(check_bool, "only requests with a proxy token are let in", "False", takes_none=False)
    ]
    redeliver_non_idempotent: Annotated[
        bool,
        Setting(check_bool, "a request of any method is run again when its container dies", "False", takes_none=False),
    ]


class EndpointOptions(WebOptions, total=False):
    """The keywords of `@motet.fastapi_endpoint`."""

    method: Annotated[str, Setting(checked.http_method, "the method of HTTP", "`GET`", takes_none=False)]
    docs: Annotated[bool, Setting(check_bool, "adds the pages /docs and /redoc", "False", takes_none=False)]


class WebServerOptions(WebOptions, total=False):
    """The keywords of `@motet.web_server`."""

    startup_timeout: Annotated[
        float, Setting(checked.server_startup, "seconds until the port must accept connections", "5", takes_none=False)
    ]


AUTOSCALER = rows(AutoscalerOptions)
VARIANT = rows(VariantOptions)
CLASS = rows(ClassOptions)
FUNCTION = rows(FunctionOptions)
CONCURRENCY = rows(ConcurrencyOptions)
BATCHING = rows(BatchingOptions)
WEB = rows(WebOptions)
ENDPOINT = rows(EndpointOptions)
WEB_SERVER = rows(WebServerOptions)
