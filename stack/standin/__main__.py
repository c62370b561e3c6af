"""Start the stand-in: `python -m stack.standin --port 8701`."""

import argparse
import asyncio
import signal
import sys

from stack.standin.server import HOST, listen


async def serve(port: int) -> None:
    """Serve until told to stop; the address is printed once it is open."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await listen(port)
    sys.stdout.write(f"stand-in model on http://{HOST}:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m stack.standin", description="The scripted model provider.")
    parser.add_argument("--port", type=int, required=True, help="0 picks a free one")
    asyncio.run(serve(parser.parse_args().port))
