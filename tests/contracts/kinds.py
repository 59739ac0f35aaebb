"""Runs a contract's case over the real thing on a real loop, or over the fake in virtual time."""

import asyncio

from simulations.world.loop import VirtualLoop

KINDS = ("real", "fake")


def run(kind, case, *given):
    """Run ``case(*given)``; a fake's hours take none."""
    if kind == "real":
        return asyncio.run(case(*given))
    loop = VirtualLoop()
    loop.callbacks_max = 20_000_000
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(case(*given))
    finally:
        loop.end()
        asyncio.set_event_loop(None)
        loop.close()


async def until(true, limit_s=30.0):
    """Wait until something holds."""
    async with asyncio.timeout(limit_s):
        while not true():
            await asyncio.sleep(0.01)
