"""The same answer from LitServe, which serves models, not apps: an async LitAPI without a model."""

from typing import Any

import litserve
from ready import free_port, interrupt_at_the_end, say_ready


# Without an annotation, LitServe hands over the body.
class Root(litserve.LitAPI):
    def setup(self, device: str) -> None: ...

    async def decode_request(self, request) -> Any:
        return request

    async def predict(self, x: Any) -> dict[str, bool]:
        return {"ok": True}

    async def encode_response(self, output: Any) -> Any:
        return output


if __name__ == "__main__":
    port = free_port()
    interrupt_at_the_end()
    say_ready("litserve", "uvicorn", "fastapi", url=f"http://127.0.0.1:{port}/predict")
    server = litserve.LitServer(Root(enable_async=True), accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(host="127.0.0.1", port=port, log_level="error", generate_client_file=False, access_log=False)
