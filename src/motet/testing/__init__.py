"""For tests of programs that use Motet: `with motet.testing.world() as world, app.run(): ...`. Import it by its name."""

from motet.testing.container import WorldContainer
from motet.testing.virtual_loop import DeadlockError
from motet.testing.world import World, world

__all__ = ["WorldContainer", "DeadlockError", "World", "world"]
