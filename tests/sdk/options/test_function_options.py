"""Every keyword of `@app.function` and `@app.cls`: the field it becomes, and what is said of wrong values."""

from __future__ import annotations

from typing import Any

import pytest

import motet
from motet.exception import DeprecationError, InvalidError, UnimplementedError
from motet.model.function import FunctionSpec, FunctionVariant, Resources
from motet.model.gpu import GpuRequest
from motet.model.retries import RetryPolicy
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate, Concurrency
from motet.sdk.options.keyword import Setting
from motet.sdk.options.keywords import CLASS
from motet.sdk.options.specification import concurrency_from, update_from, variant_from


def double(x: int) -> int:
    return 2 * x


def count() -> Any:
    yield 1


class Plain:
    @motet.method()
    def double(self, x: int) -> int:
        return 2 * x


def variant_of(is_generator: bool = False, **options: Any) -> FunctionVariant:
    return variant_from(options, onto=Resources(), is_generator=is_generator)


def spec_of(function: Any = double, /, **options: Any) -> FunctionSpec:
    return motet.App().function(**options)(function).target.spec


def class_spec_of(**options: Any) -> FunctionSpec:
    return motet.App().cls(**options)(Plain).target.spec


def test_defaults() -> None:
    for spec in (spec_of(), class_spec_of()):
        assert spec.autoscaler == AutoscalerSettings(
            min_containers=0, max_containers=None, buffer_containers=0, scaledown_window=60.0
        )
        assert (spec.timeout, spec.startup_timeout) == (300.0, 300.0)
        assert spec.retries == RetryPolicy(max_retries=0)
        assert (spec.env, spec.resources, spec.single_use_containers) == ({}, Resources(), False)


VALUES: list[tuple[dict[str, Any], str, Any]] = [
    ({"timeout": 5}, "timeout", 5.0),
    ({"timeout": 5}, "startup_timeout", 5.0),
    ({"timeout": 5, "startup_timeout": 7}, "startup_timeout", 7.0),
    ({"timeout": 86400}, "timeout", 86400.0),
    ({"single_use_containers": True}, "single_use_containers", True),
    ({"cpu": 0.5}, "resources", Resources(cpu=0.5)),
    ({"cpu": (1, 2)}, "resources", Resources(cpu=(1.0, 2.0))),
    ({"memory": 512}, "resources", Resources(memory_mib=512)),
    ({"memory": 1}, "resources", Resources(memory_mib=1)),
    ({"ephemeral_disk": 1024}, "resources", Resources(disk_mib=1024)),
    ({"resources": {"ssd": 1, "tpu": 0.5}}, "resources", Resources(custom=(("ssd", 1.0), ("tpu", 0.5)))),
    ({"labels": {"zone": "a"}}, "resources", Resources(labels=(("zone", "a"),))),
    ({"placement": "spread"}, "resources", Resources(placement="spread")),
    ({"isolation": "bubblewrap"}, "isolation", "bubblewrap"),
    ({"block_network": True}, "block_network", True),
    ({"block_network": True, "isolation": "bubblewrap"}, "block_network", True),
    ({"restrict_modal_access": True}, "restrict_modal_access", True),
    ({"memory": (512, 512)}, "resources", Resources(memory_mib=(512, 512))),
    ({"gpu": "H100"}, "resources", Resources(gpu=(GpuRequest(kind="H100"),))),
    (
        {"gpu": ["h100!", "A100-80GB:2", "any:0.5"]},
        "resources",
        Resources(
            gpu=(
                GpuRequest(kind="H100", exact=True),
                GpuRequest(kind="A100", memory_gb=80, count=2),
                GpuRequest(kind="any", count=0.5),
            )
        ),
    ),
    ({"min_containers": 2}, "autoscaler", AutoscalerSettings(min_containers=2)),
    ({"max_containers": 2}, "autoscaler", AutoscalerSettings(max_containers=2)),
    ({"max_containers": 0}, "autoscaler", AutoscalerSettings()),
    ({"max_containers": 0, "min_containers": 3}, "autoscaler", AutoscalerSettings(min_containers=3)),
    ({"buffer_containers": 2}, "autoscaler", AutoscalerSettings(buffer_containers=2)),
    ({"scaledown_window": 2}, "autoscaler", AutoscalerSettings(scaledown_window=2.0)),
    ({"scaledown_window": 3600}, "autoscaler", AutoscalerSettings(scaledown_window=3600.0)),
    ({"retries": 0}, "retries", RetryPolicy(max_retries=0, backoff_coefficient=1.0)),
    ({"retries": 3}, "retries", RetryPolicy(max_retries=3, backoff_coefficient=1.0, initial_delay=1.0)),
    ({"env": {"A": "1", "B": None}}, "env", {"A": "1"}),
    ({"secrets": [motet.Secret.from_dict({"A": "1"})]}, "env", {"A": "1"}),
    ({"queue_timeout": 5}, "queue_timeout", 5.0),
    ({"max_waiting_inputs": 5}, "max_waiting_inputs", 5),
    ({"cancellation_grace": 5}, "cancellation_grace", 5.0),
    ({"sync_cancellation": "container"}, "sync_cancellation", "container"),
    ({"delivery": "at_most_once"}, "delivery", "at_most_once"),
    ({"enable_memory_snapshot": True}, "memory_snapshot", True),
    (
        {"image": motet.Image.debian_slim().pip_install("one")},
        "image",
        motet.Image.debian_slim().pip_install("one").spec,
    ),
]


@pytest.mark.parametrize(("options", "field", "expected"), VALUES)
def test_values_reach_the_spec(options: dict[str, Any], field: str, expected: Any) -> None:
    assert getattr(spec_of(**options), field) == expected
    assert getattr(class_spec_of(**options), field) == expected


WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"min_containers": 5, "max_containers": 2},
        "`min_containers` (5) cannot be greater than `max_containers` (2)",
    ),
    ({"min_containers": 1.5}, "`min_containers` must be an int, not float"),
    ({"max_containers": "2"}, "`max_containers` must be an int, not str"),
    ({"buffer_containers": True}, "`buffer_containers` must be an int, not bool"),
    ({"min_containers": -1}, "`min_containers` must not be negative, got -1"),
    ({"max_containers": -1}, "`max_containers` must not be negative, got -1"),
    ({"buffer_containers": -1}, "`buffer_containers` must not be negative, got -1"),
    ({"scaledown_window": 1.9}, "`scaledown_window` must be between 2 and 3600 (inclusive)"),
    ({"scaledown_window": 3601}, "`scaledown_window` must be between 2 and 3600 (inclusive)"),
    ({"scaledown_window": float("nan")}, "`scaledown_window` must be between 2 and 3600 (inclusive)"),
    ({"scaledown_window": "60"}, "`scaledown_window` must be a number of seconds, not str"),
    ({"scaledown_window": True}, "`scaledown_window` must be a number of seconds, not bool"),
    ({"timeout": None}, "The `timeout` parameter cannot be set to None"),
    ({"timeout": 0}, "The `timeout` parameter must be greater than 0"),
    ({"timeout": -1}, "The `timeout` parameter must be greater than 0"),
    ({"timeout": 86401}, "at most 86400 seconds, got 86401"),
    ({"timeout": "60"}, "The `timeout` parameter must be a number of seconds, got '60'"),
    ({"timeout": True}, "The `timeout` parameter must be a number of seconds, got True"),
    ({"startup_timeout": 0}, "The `startup_timeout` parameter must be greater than 0"),
    ({"queue_timeout": 0}, "`queue_timeout` must be a number of seconds, more than 0 and at most 86400, got 0"),
    ({"cancellation_grace": "1"}, "`cancellation_grace` must be a number of seconds, more than 0"),
    ({"max_waiting_inputs": 0}, "`max_waiting_inputs` must be an int between 1 and 10000000, got 0"),
    ({"sync_cancellation": "both"}, '`sync_cancellation` must be "input"'),
    (
        {"delivery": "once"},
        '`delivery` must be "at_least_once" (an input whose container dies runs again) or "at_most_once"',
    ),
    ({"cpu": 0}, "`cpu` must be a positive number"),
    ({"cpu": "1"}, "`cpu` must be a positive number"),
    ({"cpu": (2, 1)}, "`cpu` request (2) cannot be greater than its limit (1)"),
    ({"cpu": (1, 2, 3)}, "`cpu` takes one number or a tuple (request, limit)"),
    ({"cpu": (0.01, 0.02)}, "`cpu` limit (0.02) is below 0.05 cores, with which Python does not start in time"),
    ({"memory": (1, 63)}, "`memory` limit (63 MiB) is below 64 MiB, which a container takes before it runs any code"),
    ({"ephemeral_disk": 0}, "`ephemeral_disk` must be a positive int (MiB), got 0"),
    ({"resources": ["ssd"]}, "`resources` must be a dict of amounts by name, got ['ssd']"),
    ({"resources": {"ssd": 0}}, "`resources['ssd']` must be a positive number, got 0"),
    ({"resources": {"ssd": float("nan")}}, "`resources['ssd']` must be a positive number, got nan"),
    ({"resources": {"ssd": 1e-6}}, "`resources['ssd']` is counted in parts of 1/10,000, got 1e-06"),
    ({"resources": {"": 1}}, "`resources` must have names that are a str of 1 to 255 characters, got ''"),
    ({"labels": {"zone": 1}}, "`labels['zone']` must be a str of 1 to 255 characters, got 1"),
    ({"labels": {str(n): "a" for n in range(257)}}, "`labels` may have 256 names, got 257"),
    ({"placement": "near"}, '`placement` must be "pack" (on hosts that are in use'),
    ({"isolation": "chroot"}, '`isolation` must be "process" (containers are processes of the server\'s user)'),
    ({"block_network": 1}, "block_network"),
    ({"block_network": True, "isolation": "process"}, 'cannot be combined with isolation="process"'),
    ({"restrict_modal_access": 1}, "restrict_modal_access"),
    ({"memory": 1.5}, "`memory` must be a positive int"),
    ({"memory": -1}, "`memory` must be a positive int"),
    ({"memory": (1024, 512)}, "`memory` request (1024) cannot be greater than its limit (512)"),
    ({"gpu": 1}, "`gpu` must be a str or a list of str"),
    ({"gpu": ["H100", None]}, "`gpu` must be a str or a list of str"),
    ({"gpu": "H100:zero"}, '`gpu` is a kind, or a kind and a count such as "A100:2"'),
    ({"gpu": ""}, "`gpu` is a kind"),
    ({"single_use_containers": 1}, "`single_use_containers` must be True or False"),
    ({"enable_memory_snapshot": 1}, "`enable_memory_snapshot` must be True or False"),
    ({"serialized": "yes"}, "`serialized` must be True or False"),
    ({"image": "debian"}, "`image=` has to be a `motet.Image` object"),
    ({"secrets": motet.Secret.from_dict({})}, "`secrets=` has to be a list of `motet.Secret` objects"),
    ({"secrets": ["a"]}, "`secrets=` has to be a list of `motet.Secret` objects"),
    ({"secrets": 5}, "`secrets=` has to be a list of `motet.Secret` objects"),
    ({"env": ["A"]}, "`env` has to be a dict[str, str | None], not list"),
    ({"env": {"A": 1}}, "the value of 'A' is int"),
    ({"env": {"A=B": "1"}}, "cannot name an environment variable"),
    ({"max_inputs": "1"}, "`max_inputs` must be an int, not str"),
    ({"max_inputs": 0}, "`max_inputs` must be positive"),
    ({"max_inputs": 2}, "Only `max_inputs=1` is currently supported"),
    (
        {"retries": "3"},
        "Retries parameter must be an integer or instance of motet.Retries. Found: <class 'str'> on Function",
    ),
    ({"retries": True}, "Retries parameter must be an integer or instance of motet.Retries."),
    ({"retries": -1}, "Invalid retries number: -1. Function retries must be non-negative."),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_wrong_values_are_refused_at_the_decorator(options: dict[str, Any], message: str) -> None:
    for declare in (spec_of, class_spec_of):
        with pytest.raises(InvalidError) as caught:
            declare(**options)
        assert message in str(caught.value)


def test_every_keyword_has_a_value_that_is_taken_and_one_that_is_refused() -> None:
    settings = {name for name, row in CLASS.items() if isinstance(row, Setting) and row.means}
    assert settings - {name for options, *_ in VALUES for name in options} == {"serialized"}
    assert settings - {name for options, _ in WRONG for name in options} == set()


def test_the_retries_message_names_the_function() -> None:
    with pytest.raises(InvalidError) as caught:
        spec_of(retries="a", name="f1")
    assert str(caught.value) == (
        "Retries parameter must be an integer or instance of motet.Retries. Found: <class 'str'> on Function 'f1'."
    )


def test_generators_have_no_retries() -> None:
    with pytest.raises(InvalidError, match=r"^Generator Functions do not support retries\.$"):
        spec_of(count, retries=1)
    assert spec_of(count, retries=0).methods[0].is_generator


@pytest.mark.parametrize("keyword", ["nonsense", "min_container", "concurrency"])
def test_unknown_keywords_are_type_errors(keyword: str) -> None:
    with pytest.raises(TypeError, match=rf"^App\.function\(\) got an unexpected keyword argument '{keyword}'$"):
        spec_of(**{keyword: 1})
    with pytest.raises(TypeError, match=rf"^App\.cls\(\) got an unexpected keyword argument '{keyword}'$"):
        class_spec_of(**{keyword: 1})


@pytest.mark.parametrize("keyword", ["name", "schedule", "is_generator"])
def test_classes_lack_the_keywords_of_functions(keyword: str) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        class_spec_of(**{keyword: "a"})


# --- keywords that mean nothing here ---


@pytest.mark.parametrize(
    ("keyword", "default", "value"),
    [
        ("cloud", None, "aws"),
        ("region", None, "eu"),
        ("routing_region", None, "eu"),
        ("nonpreemptible", False, True),
        ("include_source", None, False),
        ("experimental_options", None, {"a": 1}),
    ],
)
def test_keywords_without_effect_say_so_once(keyword: str, default: Any, value: Any) -> None:
    spec_of(**{keyword: default})
    with pytest.warns(UserWarning, match=f"`{keyword}={value!r}` has no effect".replace("{", r"\{")) as caught:
        spec_of(**{keyword: value})
    assert caught[0].filename == __file__
    spec_of(**{keyword: value})
    class_spec_of(**{keyword: value})


@pytest.mark.parametrize(
    ("keyword", "default", "value"),
    [
        ("volumes", {}, {"/data": object()}),
        ("network_file_systems", {}, {"/data": object()}),
        ("proxy", None, object()),
        ("i6pn", None, True),
    ],
)
def test_keywords_that_cannot_be_honoured_say_what_to_do(keyword: str, default: Any, value: Any) -> None:
    spec_of(**{keyword: default})
    with pytest.raises(UnimplementedError, match=f"`{keyword}` is not available in this version of Motet. [A-Z]"):
        spec_of(**{keyword: value})


# --- environment ---


def test_environment_is_merged_from_app_to_function_the_later_winning() -> None:
    app = motet.App(secrets=[motet.Secret.from_dict({"A": "app", "B": "app", "C": "app", "D": "app"})])
    secrets = [motet.Secret.from_dict({"B": "first", "C": "first"}), motet.Secret.from_dict({"C": "second"})]
    spec = app.function(secrets=secrets, env={"D": "env", "A": None})(double).target.spec
    assert spec.env == {"A": "app", "B": "first", "C": "second", "D": "env"}


def test_the_image_is_the_apps_unless_given() -> None:
    app = motet.App(image=motet.Image.debian_slim().pip_install("one"))
    other = motet.Image.debian_slim().pip_install("two")
    assert app.function()(double).target.spec.image.requirements == ("one",)
    assert app.function(name="other", image=other)(double).target.spec.image.requirements == ("two",)


# --- old names ---


@pytest.mark.parametrize(
    ("old", "value", "new"),
    [
        ("concurrency_limit", 4, "max_containers"),
        ("keep_warm", 4, "min_containers"),
        ("container_idle_timeout", 30, "scaledown_window"),
    ],
)
def test_old_names_work_and_name_their_successor(old: str, value: int, new: str) -> None:
    for declare in (spec_of, class_spec_of):
        with pytest.warns(DeprecationError, match=f"^The '{old}' parameter has been renamed to '{new}'") as caught:
            spec = declare(**{old: value})
        assert getattr(spec.autoscaler, new) == value
        assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("concurrency_limit", "max_containers"),
        ("keep_warm", "min_containers"),
        ("container_idle_timeout", "scaledown_window"),
    ],
)
def test_old_and_new_name_together_are_refused(old: str, new: str) -> None:
    for declare in (spec_of, class_spec_of, motet.App().cls()(Plain).with_options):
        with pytest.raises(InvalidError, match=f"`{old}` is the old name of `{new}`; both were given. Keep `{new}`"):
            declare(**{old: 5, new: 5})


def test_allow_concurrent_inputs_is_the_concurrent_decorator() -> None:
    successor = "Use the '@motet.concurrent' decorator instead"
    for declare in (spec_of, class_spec_of):
        with pytest.warns(DeprecationError, match=successor):
            assert declare(allow_concurrent_inputs=7).concurrency == Concurrency(max_inputs=7, target_inputs=7)


@pytest.mark.filterwarnings("ignore::motet.exception.DeprecationError")
@pytest.mark.parametrize("wrong", [0, -1, 1001, "7", True, 1.5])
def test_allow_concurrent_inputs_is_checked(wrong: Any) -> None:
    with pytest.raises(InvalidError, match="`allow_concurrent_inputs` argument must be"):
        spec_of(allow_concurrent_inputs=wrong)


@pytest.mark.filterwarnings("ignore::motet.exception.DeprecationError")
def test_allow_concurrent_inputs_with_the_decorator_is_refused() -> None:
    app = motet.App()
    for decorate, target in ((app.function, double), (app.cls, Plain)):
        with pytest.raises(InvalidError, match=r"are both given\. Keep `@motet\.concurrent`"):
            decorate(allow_concurrent_inputs=5)(motet.concurrent(max_inputs=5)(target))  # type: ignore[type-var, operator]


def test_max_inputs_of_app_function_is_single_use_containers() -> None:
    with pytest.warns(DeprecationError, match="Use 'single_use_containers=True' instead"):
        assert spec_of(max_inputs=1).single_use_containers


# --- with_options ---


def test_with_options_changes_what_is_given() -> None:
    variant = variant_of(
        timeout=5, retries=2, max_containers=3, env={"A": "1"}, secrets=[motet.Secret.from_dict({"B": "2"})], cpu=1
    )
    assert variant == FunctionVariant(
        timeout=5.0,
        retries=RetryPolicy(max_retries=2),
        autoscaler_changes=AutoscalerUpdate(max_containers=3),
        env={"A": "1", "B": "2"},
        resources=Resources(cpu=1.0),
    )


def test_with_options_without_values_changes_nothing() -> None:
    assert variant_of(timeout=None, max_containers=0, env={}, secrets=[], gpu=None) == FunctionVariant()


def test_with_options_keeps_the_other_resources() -> None:
    cls = motet.App().cls(cpu=2, gpu="H100")(Plain).with_options(memory=512)
    assert cls.target.spec.resources == Resources(cpu=2.0, memory_mib=512, gpu=(GpuRequest(kind="H100"),))


def test_with_options_takes_gpus_away_and_refuses_no_cores() -> None:
    cls = motet.App().cls(cpu=2, gpu="H100")(Plain)
    assert cls.with_options(gpu=[]).target.spec.resources == Resources(cpu=2.0)
    with pytest.raises(InvalidError, match="`cpu` must be a positive number of cores"):
        cls.with_options(cpu=0)


def test_with_options_is_chainable_and_the_later_wins() -> None:
    cls = motet.App().cls(timeout=9)(Plain)
    changed = cls.with_options(timeout=5, env={"A": "1"}).with_options(timeout=6).with_concurrency(max_inputs=4)
    spec = changed.target.spec
    assert (spec.timeout, spec.env, spec.concurrency.max_inputs) == (6.0, {"A": "1"}, 4)
    assert cls.target.spec.timeout == 9.0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"timeout": 0}, InvalidError),
        ({"retries": "a"}, InvalidError),
        ({"scaledown_window": 1}, InvalidError),
        ({"volumes": {"/a": object()}}, UnimplementedError),
        ({"image": motet.Image.debian_slim()}, TypeError),
        ({"nonsense": 1}, TypeError),
    ],
)
def test_with_options_checks_like_the_decorator(options: dict[str, Any], error: type[Exception]) -> None:
    cls = motet.App().cls()(Plain)
    with pytest.raises(error):
        cls.with_options(**options)


def test_old_names_in_with_options() -> None:
    with pytest.warns(DeprecationError) as caught:
        variant = variant_of(concurrency_limit=4, keep_warm=2, container_idle_timeout=30, allow_concurrent_inputs=5)
    assert len(caught) == 4
    assert variant == FunctionVariant(
        concurrency=Concurrency(max_inputs=5, target_inputs=5),
        autoscaler_changes=AutoscalerUpdate(min_containers=2, max_containers=4, scaledown_window=30.0),
    )


def test_variants_of_generators_have_no_retries() -> None:
    with pytest.raises(InvalidError, match="Generator Functions do not support retries"):
        variant_of(is_generator=True, retries=1)


# --- update_autoscaler ---


def test_an_update_has_what_is_given() -> None:
    every = {"min_containers": 1, "max_containers": 4, "buffer_containers": 2, "scaledown_window": 30.0}
    assert update_from(every) == AutoscalerUpdate(**every)  # type: ignore[arg-type]
    assert update_from({"min_containers": 0}) == AutoscalerUpdate(min_containers=0)
    assert update_from({"max_containers": 0}) == AutoscalerUpdate()


@pytest.mark.parametrize(
    "arguments",
    [{"min_containers": 5, "max_containers": 2}, {"min_containers": "a"}, {"scaledown_window": 1}],
)
def test_an_update_is_checked(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        update_from(arguments)


def test_the_missing_max_inputs_message_names_the_caller() -> None:
    with pytest.raises(TypeError, match=r"`with_concurrency\(\)` missing required argument: `max_inputs`"):
        concurrency_from({"max_inputs": None}, "with_concurrency", "with_concurrency()")


def test_a_misspelled_keyword_is_named_before_what_is_missing() -> None:
    with pytest.raises(TypeError, match=r"concurrent\(\) got an unexpected keyword argument 'max_input'"):
        concurrency_from({"max_input": 3}, "concurrent", "@motet.concurrent()")
