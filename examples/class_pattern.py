"""The class pattern: set-up once per container, and methods that share its containers.

Run it: motet run examples/class_pattern.py
"""

import asyncio
import os
import time

import motet

app = motet.App("class-pattern")


@app.cls()
@motet.concurrent(max_inputs=100)  # on the class, not on its methods
class Translator:
    language: str = motet.parameter(default="french")

    @motet.enter()
    def load(self) -> None:
        """Once per container, before its first input: what is slow to set up goes here."""
        time.sleep(0.2)
        self.words = {"french": {"hello": "bonjour"}, "german": {"hello": "hallo"}}[self.language]
        print(f"loaded {self.language}")

    @motet.method()
    def translate(self, word: str) -> tuple[str, int]:
        """A synchronous method: its inputs run on threads."""
        time.sleep(0.1)
        return self.words[word], os.getpid()

    @motet.method()
    async def spell(self, word: str) -> tuple[str, int]:
        """An asynchronous one: its inputs run as tasks, at the same time, in the same container."""
        await asyncio.sleep(0.1)
        return "-".join(self.words[word]), os.getpid()

    @motet.exit()
    def close(self) -> None:
        """Once per container, after its last input."""
        print(f"closed {self.language}")


@app.local_entrypoint()
def main() -> None:
    """Two methods share a container; each set of parameters has containers of its own."""
    french, german = Translator(), Translator(language="german")
    spelling = french.spell.spawn("hello")
    words = list(french.translate.map(["hello"] * 10))
    print("french:", words[0][0], "is spelled", spelling.get()[0])
    processes = {process for _, process in words} | {spelling.get()[1]}
    print(f"both methods ran in {len(processes)} container")

    word, process = german.translate.remote("hello")
    print("german:", word, "from another container" if process not in processes else "from the same container")
