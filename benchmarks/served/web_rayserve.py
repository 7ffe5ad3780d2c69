"""The app under Ray Serve: one replica, up to 1,000 requests at once."""

from __future__ import annotations

from on_ray import QUIET, ray_serve, serve
from pages import pages
from ready import free_port, say_ready, wait_for_the_end

if __name__ == "__main__":
    port = free_port()
    deployment = serve.deployment(max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0})
    with ray_serve(port):
        serve.run(deployment(serve.ingress(pages)()).bind(), name="pages", route_prefix="/", logging_config=QUIET)
        say_ready("ray", "uvicorn", "fastapi", url=f"http://127.0.0.1:{port}")
        wait_for_the_end()
