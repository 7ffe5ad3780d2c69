"""Making remote calls to other functions: containers that mostly wait for other containers.

Run it: motet run examples/calling_functions.py
"""

import asyncio
import time

import motet

app = motet.App("calling-functions")
BOOKS = {
    "Moby Dick": ["Call me Ishmael.", "Some years ago, never mind how long precisely"],
    "Emma": ["Emma Woodhouse, handsome, clever, and rich,", "with a comfortable home and happy disposition,"],
    "Dracula": ["Left Munich at 8:35 P.M., on 1st May,", "arriving at Vienna early next morning;"],
}


@app.function(max_containers=4)
def count_words(page: str) -> int:
    """The work itself: it needs a processor, so each container runs one input at a time."""
    time.sleep(0.1)
    return len(page.split())


@app.function()
@motet.concurrent(max_inputs=100)
def count_book(title: str) -> int:
    """Waits for others only, so that one container can run a hundred of these: a sync function on a thread ..."""
    return sum(count_words.map(BOOKS[title]))


@app.function()
@motet.concurrent(max_inputs=100)
async def count_book_async(title: str) -> int:
    """... or an async one as a task, with the `.aio` form of each call."""
    return sum(await asyncio.gather(*(count_words.remote.aio(page) for page in BOOKS[title])))


@app.local_entrypoint()
def main() -> None:
    """Count the words of some books, page by page, from inside containers."""
    for function in (count_book, count_book_async):
        for title, words in zip(BOOKS, function.map(BOOKS), strict=True):
            print(f"{function.name}: {title} has {words} words")
    assert list(count_book.map(BOOKS)) == list(count_book_async.map(BOOKS))
