"""aiometer: `amap` with `max_at_once`, as its README has it. https://github.com/florimondmanca/aiometer"""

import aiometer

from benchmarks.bare import prompts
from benchmarks.ours import nothing


async def amap(items: int, at_once: int) -> int:
    """An agent that does nothing; results as they arrive."""
    done = 0
    async with aiometer.amap(nothing, list(prompts(items)), max_at_once=at_once) as results:
        async for _ in results:
            done += 1
    return done
