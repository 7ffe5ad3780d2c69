"""Settings of a function that are tried: how many inputs a container takes, and how its pool scales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from motet.model.scaling import DEFAULT_SCALEDOWN_WINDOW, AutoscalerSettings, Concurrency
from motet.simulation.scenario import Scenario

Option = int | float | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a declaration says about scaling."""

    concurrency: Concurrency = Concurrency()
    autoscaler: AutoscalerSettings = AutoscalerSettings()

    def changed(
        self,
        *,
        max_inputs: int | None = None,
        target_inputs: int | None = None,
        scaledown_window: float | None = None,
        buffer_containers: int | None = None,
    ) -> Settings:
        """These, with what is given put in its place; `target_inputs` goes with `max_inputs`, and is the same if not given."""
        pool, concurrency = self.autoscaler, self.concurrency
        if scaledown_window is not None:
            pool = pool.changed(scaledown_window=scaledown_window)
        if buffer_containers is not None:
            pool = pool.changed(buffer_containers=buffer_containers)
        if max_inputs is not None:
            concurrency = Concurrency(max_inputs=max_inputs, target_inputs=target_inputs or max_inputs)
        return Settings(concurrency=concurrency, autoscaler=pool)

    def on(self, scenario: Scenario) -> Scenario:
        """The same load with these settings."""
        return replace(scenario, concurrency=self.concurrency, autoscaler=self.autoscaler)

    def decorators(self, decorator: str = "app.function") -> list[str]:
        """The lines that declare them, without what is the default."""
        pool, concurrency = self.autoscaler, self.concurrency
        options: dict[str, Option] = {
            "min_containers": pool.min_containers or None,
            "max_containers": pool.max_containers,
            "buffer_containers": pool.buffer_containers or None,
            "scaledown_window": None if pool.scaledown_window == DEFAULT_SCALEDOWN_WINDOW else pool.scaledown_window,
        }
        lines = [f"@{decorator}({_written(options)})"]
        if concurrency.max_inputs > 1:
            target = None if concurrency.target_inputs == concurrency.max_inputs else concurrency.target_inputs
            numbers: dict[str, Option] = {
                "max_inputs": concurrency.max_inputs,
                "target_inputs": target,
                "slo_p95": concurrency.slo_p95,
            }
            lines.append(f"@motet.concurrent({_written(numbers)})")
        return lines

    def numbers(self) -> dict[str, Option]:
        """All of them, by the names that declarations use."""
        pool, concurrency = self.autoscaler, self.concurrency
        return {
            "max_inputs": concurrency.max_inputs,
            "target_inputs": concurrency.target_inputs,
            "min_containers": pool.min_containers,
            "max_containers": pool.max_containers,
            "buffer_containers": pool.buffer_containers,
            "scaledown_window": pool.scaledown_window,
        }


def _written(options: Mapping[str, Option]) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in options.items() if value is not None)


def _value(value: Option) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value:.10g}"
