"""Continuous batching: many prompts stream through one language model, which makes a new batch for each token.

Needs PyTorch: pip install torch. Uses a GPU if there is one (pip install "motet[gpu]"). The model is a real transformer, but
its weights are random.

Run it: motet run examples/continuous_batching.py --prompts 16 --tokens 32
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import motet
from motet.batching import Answer, ContinuousBatcher, Last, Member, More

try:
    import torch
    from torch.nn.functional import layer_norm, scaled_dot_product_attention, silu
except ImportError:
    raise SystemExit("This example needs PyTorch: pip install torch") from None

app = motet.App("continuous-batching")
Request = tuple[list[int], int]  # a prompt's tokens, and how many to generate


@app.cls(gpu="any" if torch.cuda.is_available() else None, max_containers=1, startup_timeout=300)
@motet.concurrent(max_inputs=64)
class Generator:
    """A language model; each prompt is an input of its own, and all that are in flight share every step."""

    layers: int = motet.parameter(default=4)
    width: int = motet.parameter(default=256)
    positions: int = motet.parameter(default=128)
    cuda_graphs: bool = motet.parameter(default=False)

    @motet.enter()
    def load(self) -> None:
        """Once per container: the weights, the cache, and the thread that runs `step`."""
        self.model = Transformer(self.layers, self.width, self.positions, slots=64, cuda_graphs=self.cuda_graphs)
        # A slot of the cache for each input. At most 16 join in one step, as all others wait while prompts are read.
        self.batcher = ContinuousBatcher(self.step, max_batch_size=64, max_admissions=16)
        print(f"loaded on {self.model.device}, {self.model.dtype}")

    @motet.method()
    async def generate(self, prompt: str, tokens: int) -> AsyncIterator[int]:
        """The tokens that follow the prompt, each as soon as it is there."""
        request = (list(prompt.encode()), tokens)
        if not 0 < len(request[0]) <= self.positions - tokens:
            raise ValueError(f"a prompt of {len(request[0])} bytes and {tokens} tokens: have 1 to {self.positions}")
        async for token in self.batcher.stream(request):
            yield token

    def step(self, batch: Sequence[Member[Request]]) -> list[Answer[int]]:
        """One token for each input: the first ones follow from a whole prompt, later ones from the token before."""
        running = [member for member in batch if member.steps > 0]
        joining = [member for member in batch if member.steps == 0]
        tokens: dict[Member[Request], int] = {}
        if running:
            places = [len(member.value[0]) + member.steps - 1 for member in running]
            found = self.model.decode([member.slot for member in running], [m.state for m in running], places)
            tokens.update(zip(running, found, strict=True))
        if joining:
            found = self.model.prefill([member.slot for member in joining], [member.value[0] for member in joining])
            tokens.update(zip(joining, found, strict=True))
        for member, token in tokens.items():
            member.state = token
        return [(More if m.steps + 1 < m.value[1] else Last)(tokens[m]) for m in batch]

    @motet.exit()
    def close(self) -> None:
        """Once per container, at its end."""
        self.batcher.close()


@app.local_entrypoint()
async def main(prompts: int = 16, tokens: int = 32) -> None:
    """The same prompts one by one, then all at once; on a CPU, where rounding is the same, so must the tokens be."""
    texts = [f"{'word ' * (number % 7)}prompt {number}" for number in range(prompts)]
    generator = Generator()
    await collect(generator, "warm up", 4)

    began = time.perf_counter()
    one_by_one = [await collect(generator, text, tokens) for text in texts]
    took_one_by_one = time.perf_counter() - began

    began = time.perf_counter()
    at_once = await asyncio.gather(*(collect(generator, text, tokens) for text in texts))
    took_at_once = time.perf_counter() - began

    total = prompts * tokens
    print(f"one by one: {total / took_one_by_one:,.0f} tokens/s; at once: {total / took_at_once:,.0f} tokens/s")
    same = sum(a == b for a, b in zip(one_by_one, at_once, strict=True))
    print(f"{same} of {prompts} prompts have the same tokens both ways; the first: {at_once[0][:8]}")
    if same != prompts and not torch.cuda.is_available():
        raise SystemExit("batching changed what the model says")


async def collect(generator: Generator, prompt: str, tokens: int) -> list[int]:
    """All tokens of one stream."""
    return [token async for token in generator.generate.remote_gen.aio(prompt, tokens)]


class Transformer:
    """A decoder-only transformer over bytes, with random weights from a fixed seed, that decodes greedily.

    Keys and values of `slots` sequences, of up to `positions` tokens each, are kept in one cache allocated at the
    start: a sequence is a row of it. With `cuda_graphs`, decoding on a GPU is recorded once for batches of 1, 2, 4, ...
    rows and replayed, which saves launching some hundred kernels for each token.
    """

    def __init__(self, layers: int, width: int, positions: int, slots: int, cuda_graphs: bool = False) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.heads = max(1, width // 64)
        dice = torch.Generator(self.device).manual_seed(0)

        def random(*shape: int) -> torch.Tensor:
            weights = torch.randn(shape, generator=dice, device=self.device, dtype=torch.float32)
            return (weights * shape[0] ** -0.5).to(self.dtype)

        self.embedding = random(256, width) * 16
        self.position_embedding = random(positions, width) * positions**0.5
        self.blocks = [
            (random(width, 3 * width), random(width, width), random(width, 4 * width), random(4 * width, width))
            for _ in range(layers)
        ]
        self.unembedding = random(width, 256)
        shape = (layers, slots, positions, self.heads, width // self.heads)
        self.keys = torch.zeros(shape, device=self.device, dtype=self.dtype)
        self.values = torch.zeros_like(self.keys)
        self.rows = torch.arange(slots, device=self.device)
        self.columns = torch.arange(positions, device=self.device)
        self.graphs: list[Graph] = []
        if cuda_graphs and self.device.type == "cuda":
            sizes = [size for size in (1, 2, 4, 8, 16, 32, 64) if size < slots]
            self.graphs = [Graph(self, size) for size in [*sizes, slots]]

    def prefill(self, slots: list[int], prompts: list[list[int]]) -> list[int]:
        """Read these prompts into these rows of the cache; the token that follows each."""
        longest = max(map(len, prompts))
        padded = torch.tensor([prompt + [0] * (longest - len(prompt)) for prompt in prompts], device=self.device)
        places = self.columns[:longest].expand(len(prompts), longest)
        following = self.following(padded, places, torch.tensor(slots, device=self.device))
        # What was computed for the padding is overwritten before anything looks at it.
        return [row[len(prompt) - 1] for row, prompt in zip(following.tolist(), prompts, strict=True)]

    def decode(self, slots: list[int], tokens: list[int], places: list[int]) -> list[int]:
        """The token that follows each of these tokens, which are at these places of these rows.

        All rows up to the last of these are computed. So this comes before `prefill` in a step: rows that are not in
        use get nonsense at place 0, which a prompt overwrites.
        """
        size = max(slots) + 1
        graph = next((graph for graph in self.graphs if graph.size >= size), None)
        size = size if graph is None else graph.size
        inputs = [[0, 0] for _ in range(size)]
        for slot, token, place in zip(slots, tokens, places, strict=True):
            inputs[slot] = [token, place]
        on_host = torch.tensor(inputs)
        if graph is not None:
            following = graph.replay(on_host)
        else:
            on_device = on_host.to(self.device)
            following = self.following(on_device[:, :1], on_device[:, 1:], None)
        found = following[:, 0].tolist()
        return [found[slot] for slot in slots]

    @torch.inference_mode()
    def following(self, tokens: torch.Tensor, places: torch.Tensor, rows: torch.Tensor | None) -> torch.Tensor:
        """The next token after each of these, which are put into the cache. None: into its first rows."""
        count, length = tokens.shape
        into = (self.rows[:count] if rows is None else rows)[:, None]
        window: slice | torch.Tensor = slice(count) if rows is None else rows
        visible = self.columns <= places[:, None, :, None]
        x = self.embedding[tokens] + self.position_embedding[places]
        width = x.shape[-1]
        for (attend, mix, widen, narrow), keys, values in zip(self.blocks, self.keys, self.values, strict=True):
            q, k, v = (layer_norm(x, (width,)) @ attend).view(count, length, 3, self.heads, -1).unbind(2)
            keys[into, places] = k
            values[into, places] = v
            seen = scaled_dot_product_attention(
                q.transpose(1, 2), keys[window].transpose(1, 2), values[window].transpose(1, 2), attn_mask=visible
            )
            x = x + seen.transpose(1, 2).reshape(count, length, width) @ mix
            x = x + silu(layer_norm(x, (width,)) @ widen) @ narrow
        return (layer_norm(x, (width,)) @ self.unembedding).argmax(-1)


class Graph:
    """Decoding the first `size` rows, recorded as a CUDA graph."""

    def __init__(self, model: Transformer, size: int) -> None:
        self.size = size
        self._inputs = torch.zeros((size, 2), dtype=torch.long, device=model.device)
        self._graph = torch.cuda.CUDAGraph()
        tokens, places = self._inputs[:, :1], self._inputs[:, 1:]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            model.following(tokens, places, None)  # libraries set themselves up, which cannot be recorded
        torch.cuda.current_stream().wait_stream(aside)
        with torch.cuda.graph(self._graph):
            self._following = model.following(tokens, places, None)

    def replay(self, inputs: torch.Tensor) -> torch.Tensor:
        """The next tokens; valid until the next replay."""
        self._inputs.copy_(inputs)
        self._graph.replay()
        return self._following
