"""`with_options` and its kin: the same function or class once more, with other settings and a pool of its own."""

from __future__ import annotations

from typing import Self, Unpack

from motet.model.function import FunctionVariant
from motet.model.scaling import Batching
from motet.sdk.call.hydration import Hydrated
from motet.sdk.options.keywords import BatchingOptions, ConcurrencyOptions, VariantOptions
from motet.sdk.options.specification import batching_from, concurrency_from, variant_from


class Varied(Hydrated):
    """A handle of which there can be variants."""

    def with_options(self, **options: Unpack[VariantOptions]) -> Self:
        """This one with other options: it has containers of its own. Chainable; later values win."""
        resources = self.target.spec.resources
        return self._varied(variant_from(options, onto=resources, is_generator=self._is_generator))

    def with_concurrency(self, **options: Unpack[ConcurrencyOptions]) -> Self:
        """This one with another `@motet.concurrent`; otherwise as `with_options`."""
        concurrency = concurrency_from(options, "with_concurrency", "with_concurrency()")
        return self._varied(FunctionVariant(concurrency=concurrency))

    def with_batching(self, **options: Unpack[BatchingOptions]) -> Self:
        """This one, a function that takes lists and returns one or a class with one such method, batched as by
        `@motet.batched`; otherwise as `with_options`."""
        batching = batching_from(options, "with_batching")
        self._check_batching(batching)
        return self._varied(FunctionVariant(batching=batching))

    @property
    def _is_generator(self) -> bool:
        """Generators are not run again: what was taken of one cannot be taken back."""
        return False

    def _check_batching(self, batching: Batching) -> None:
        """Raises `InvalidError` for what cannot be batched."""
        raise NotImplementedError

    def _varied(self, variant: FunctionVariant) -> Self:
        raise NotImplementedError
