"""How much of a server one principal or one app may have."""

from __future__ import annotations

import msgspec

from motet.errors import InvalidError


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """None: as much as there is.

    `containers`: that have not ended. `inputs`: that wait or run. `stored_bytes`: in queues, and of outcomes of spawned calls.
    `requests`: that are being answered at once. `requests_per_second` and `inputs_per_second`: over time; a second's worth may
    come at once. For apps `requests` are those to its web functions, and the rest but `containers` and `inputs` means nothing.
    """

    containers: int | None = None
    inputs: int | None = None
    stored_bytes: int | None = None
    requests: int | None = None
    requests_per_second: float | None = None
    inputs_per_second: float | None = None

    @classmethod
    def parse(cls, texts: tuple[str, ...], source: str) -> Quota:
        """From `name=value`, each. Raises `InvalidError`, which names `source`."""
        found: dict[str, int | float] = {}
        known = cls.__struct_fields__
        for text in texts:
            name, _, value = text.partition("=")
            name = name.strip()
            if name not in known:
                raise InvalidError(f"{source}: there is no limit {name!r}; limits are {', '.join(known)}")
            try:
                number = float(value) if name.endswith("_per_second") else int(value)
            except ValueError:
                raise InvalidError(f"{source}: {name} must be a number; it is {value!r}") from None
            if not 0 < number < 1e15:
                raise InvalidError(f"{source}: {name} must be more than 0; it is {value!r}")
            found[name] = number
        return cls(**found)  # type: ignore[arg-type]  # each is what its field wants

    def over(self, general: Quota) -> Quota:
        """This, and what is not said here as in general."""
        chosen = {
            name: getattr(general, name) if (own := getattr(self, name)) is None else own
            for name in self.__struct_fields__
        }
        return Quota(**chosen)

    def texts(self) -> tuple[str, ...]:
        """As `parse` takes them; those that are not set left out."""
        return tuple(
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not None
        )


NO_QUOTA = Quota()
