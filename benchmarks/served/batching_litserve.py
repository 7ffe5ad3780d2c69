"""The model behind LitServe's batching, in one worker."""

import argparse

import litserve
from model import step
from ready import free_port, interrupt_at_the_end, say_ready

parser = argparse.ArgumentParser()
parser.add_argument("--max-batch-size", type=int, default=64)
parser.add_argument("--wait-ms", type=float, default=10)


# Without an annotation, LitServe hands over the body.
class Model(litserve.LitAPI):
    def setup(self, device: str) -> None: ...

    def decode_request(self, request) -> int:
        return int(request["number"])

    def batch(self, inputs: list[int]) -> list[int]:
        return inputs

    def predict(self, x: int | list[int]) -> int | list[int]:
        return step(x) if isinstance(x, list) else step([x])[0]

    def unbatch(self, output: list[int]) -> list[int]:
        return output

    def encode_response(self, output: int) -> int:
        return output


if __name__ == "__main__":
    given = parser.parse_args()
    port = free_port()
    interrupt_at_the_end()
    say_ready("litserve", url=f"http://127.0.0.1:{port}/predict")
    wait = {"batch_timeout": given.wait_ms / 1000} if given.max_batch_size > 1 else {}
    model = Model(max_batch_size=given.max_batch_size, **wait)
    server = litserve.LitServer(model, accelerator="cpu", workers_per_device=1, fast_queue=True, timeout=60)
    server.run(host="127.0.0.1", port=port, log_level="error", generate_client_file=False, access_log=False)
