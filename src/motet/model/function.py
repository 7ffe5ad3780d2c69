"""What a function is: where its code comes from, how it is called, and how its pool behaves."""

from __future__ import annotations

from typing import Literal

import msgspec

from motet.errors import InvalidError
from motet.model.gpu import GpuRequest
from motet.model.hidden import hides_secrets
from motet.model.host import Placing
from motet.model.image import ImageSpec
from motet.model.interface import InterfaceSpec
from motet.model.isolation import Isolation
from motet.model.parameters import ParameterSpec
from motet.model.retries import NO_RETRIES, RetryPolicy
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate, Batching, Concurrency
from motet.model.schedule import ScheduleSpec
from motet.model.web import WebSpec

DEFAULT_TIMEOUT = 300.0
DEFAULT_CANCELLATION_GRACE = 10.0
SyncCancellation = Literal["input", "container"]
"""What cancelling a sync input that runs beside others ends: that input alone, or its container."""
DeliveryPolicy = Literal["at_least_once", "at_most_once"]
"""Whether an input whose container is gone runs again, or fails because its code may have begun."""


class ImportedDefinition(msgspec.Struct, frozen=True, kw_only=True, tag="imported"):
    """Code found by importing `module` (from `file` if the name alone cannot be imported) and reading `qualname`.

    `is_main`: the module was run as a script; the container imports the file and also knows it as `__main__`.
    """

    module: str
    qualname: str
    file: str | None = None
    is_main: bool = False


class SerializedDefinition(msgspec.Struct, frozen=True, kw_only=True, tag="serialized"):
    """Code that travels by value: a cloudpickled function or class."""

    pickled: bytes
    qualname: str


class MethodSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One callable of a function: the function itself (name "") or a method of its class. `web`: how requests reach it.
    `interface`: what callers who do not know Python are told of it, where its app was left with a server that tells them."""

    name: str = ""
    is_async: bool = False
    is_generator: bool = False
    web: WebSpec | None = None
    interface: InterfaceSpec | None = None


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """What a container asks of its host: cores and MiB (recorded; the second of a pair is a limit, which is enforced), MiB of
    disk (a limit), and GPUs, in order of preference (given). `custom`: what else hosts count, by name (reserved);
    `labels`: what its host is like; `placement`: which of those that will do."""

    cpu: float | tuple[float, float] | None = None
    memory_mib: int | tuple[int, int] | None = None
    gpu: tuple[GpuRequest, ...] = ()
    disk_mib: int | None = None
    custom: tuple[tuple[str, float], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    placement: Placing = "pack"


@hides_secrets
class FunctionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the server and a container must know of one function; the unit that owns a pool.

    A class is one function (`methods` has an entry per method). `app_name` is the app it was declared on, which differs
    from the running app's for included functions; `app_key` tells apps of one name apart.
    `parameters_given` is the encoded keyword arguments of one instance of
    a parametrised class; None on the class itself, which then has no pool of its own. `queue_timeout`: seconds an input
    waits for its first attempt at most. `max_waiting_inputs`: None is the server's number. `cancellation_grace`: seconds a
    container has to let go of a cancelled input, or is given up. `isolation`: None is the server's level. `block_network`: its
    containers have none. `restrict_modal_access`: their code cannot call the server.
    """

    name: str
    app_name: str
    definition: ImportedDefinition | SerializedDefinition
    methods: tuple[MethodSpec, ...] = (MethodSpec(),)
    is_class: bool = False
    parameters: tuple[ParameterSpec, ...] = ()
    parameters_given: bytes | None = None
    concurrency: Concurrency = Concurrency()
    batching: Batching | None = None
    autoscaler: AutoscalerSettings = AutoscalerSettings()
    timeout: float = DEFAULT_TIMEOUT
    startup_timeout: float = DEFAULT_TIMEOUT
    retries: RetryPolicy = NO_RETRIES
    env: dict[str, str] = msgspec.field(default_factory=dict)
    resources: Resources = Resources()
    image: ImageSpec = ImageSpec()
    single_use_containers: bool = False
    cancellation_grace: float = DEFAULT_CANCELLATION_GRACE
    sync_cancellation: SyncCancellation = "input"
    delivery: DeliveryPolicy = "at_least_once"
    queue_timeout: float | None = None
    max_waiting_inputs: int | None = None
    app_key: str = ""
    taken: int = 0
    """0 for the function that has the name; others of the app had it before, the first as 1."""
    schedule: ScheduleSpec | None = None
    """When it runs by itself, while it is deployed."""
    isolation: Isolation | None = None
    block_network: bool = False
    restrict_modal_access: bool = False
    memory_snapshot: bool = False
    """Its containers are forked from a process that has imported its code, and has run its hooks for that."""

    def __post_init__(self) -> None:
        if self.batching is not None and self.concurrency.target_inputs == "auto":
            raise InvalidError(
                f'{self.name}: target_inputs="auto" cannot be combined with @motet.batched, whose calls take as long as their '
                "batches are large; give target_inputs as a number of batches"
            )

        if self.block_network and self.isolation == "process":
            raise InvalidError(
                f'{self.name}: block_network=True cannot be combined with isolation="process", where containers use '
                'the network of their machine; give isolation="bubblewrap"'
            )
        if self.at_most_once:
            self._check_at_most_once()

    def _check_at_most_once(self) -> None:
        if self.sync_cancellation == "container" and self.concurrency.max_inputs > 1:
            raise InvalidError(
                f'{self.name}: sync_cancellation="container" ends inputs with their neighbours, which delivery="at_most_once" '
                'would not run again; leave it at "input", where a cancelled input ends alone'
            )
        if any(method.web is not None and method.web.redeliver_non_idempotent for method in self.methods):
            raise InvalidError(
                f'{self.name}: redeliver_non_idempotent=True contradicts delivery="at_most_once"; give one of them'
            )

    @property
    def at_most_once(self) -> bool:
        """An input whose container is gone is not run again."""
        return self.delivery == "at_most_once"

    @property
    def key(self) -> str:
        """What tells it from the other functions of its app: no name has a line break."""
        return self.name if self.taken == 0 else f"{self.name}\n{self.taken}"

    @property
    def has_pool(self) -> bool:
        """False for a parametrised class without its parameters: only its instances run."""
        return not self.parameters or self.parameters_given is not None

    @property
    def uninterruptible(self) -> frozenset[str]:
        """Methods of which several inputs at once cannot be cancelled without their container."""
        if self.sync_cancellation != "container":
            return frozenset()
        return frozenset(method.name for method in self.methods if not method.is_async and method.web is None)

    def varied(self, variant: FunctionVariant) -> FunctionSpec:
        """This function with the given fields of `variant` put in its place."""
        given = {name: value for name in variant.__struct_fields__ if (value := getattr(variant, name)) is not None}
        if "autoscaler_changes" in given:
            del given["autoscaler_changes"]
            given["autoscaler"] = self.autoscaler.updated(variant.autoscaler_changes)  # type: ignore[arg-type]
        # What a variant says of the environment comes on top; all else takes the place of what was there.
        if "env" in given:
            given["env"] = {**self.env, **given["env"]}
        # Made anew: `msgspec.structs.replace` of older releases makes what nobody has checked.
        return FunctionSpec(**{**msgspec.structs.asdict(self), **given})


@hides_secrets
class FunctionVariant(msgspec.Struct, frozen=True, kw_only=True):
    """What `with_options` and its kin, or a class's parameters, change; a variant has its own pool. None: unchanged."""

    parameters_given: bytes | None = None
    concurrency: Concurrency | None = None
    batching: Batching | None = None
    autoscaler_changes: AutoscalerUpdate | None = None
    timeout: float | None = None
    retries: RetryPolicy | None = None
    env: dict[str, str] | None = None
    resources: Resources | None = None
    isolation: Isolation | None = None

    def merged(self, later: FunctionVariant) -> FunctionVariant:
        """Both changes, the later one winning field by field."""
        mine = {name: getattr(self, name) for name in self.__struct_fields__}
        given = {name: value for name in later.__struct_fields__ if (value := getattr(later, name)) is not None}
        if self.autoscaler_changes is not None and later.autoscaler_changes is not None:
            old, new = self.autoscaler_changes, later.autoscaler_changes
            given["autoscaler_changes"] = AutoscalerUpdate(
                **{n: getattr(old, n) if getattr(new, n) is None else getattr(new, n) for n in new.__struct_fields__}
            )
        return FunctionVariant(**{**mine, **given})


class AppSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A named set of functions, and the search path and directory their modules are imported with.

    `main`: the program's main module, if containers can import it; each knows it, for what others refer to there.
    `sources`: the directory with copies of their files, if the files may have changed since (see `motet.context.sources`).
    Of an app that was deployed with its source, relative paths are below the directory of that; `bundle` is where it lies on
    the machine of the containers, which a server says.
    """

    name: str
    functions: tuple[FunctionSpec, ...]
    sys_path: tuple[str, ...] = ()
    project_dir: str = ""
    argv: tuple[str, ...] = ()
    main: ImportedDefinition | None = None
    sources: str = ""
    bundle: str = ""
