"""The policies there are, by name: Motet's own, and those of other systems, for comparison."""

from __future__ import annotations

from motet.core.autoscaler import Policy
from motet.core.policies.beta9 import Beta9Policy
from motet.core.policies.keda_http import KedaHttpPolicy
from motet.core.policies.knative import KnativePolicy
from motet.core.policies.modal import ModalPolicy
from motet.core.policies.motet import MotetPolicy
from motet.core.policies.ray_serve import RayServePolicy

POLICIES: dict[str, Policy] = {
    "motet": MotetPolicy(),
    "knative": KnativePolicy(),
    "ray-serve": RayServePolicy(),
    "beta9": Beta9Policy(),
    "keda-http": KedaHttpPolicy(),
    "modal": ModalPolicy(),
}
