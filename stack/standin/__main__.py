"""Start the stand-in: `python -m stack.standin --port 8701`."""

import argparse
import asyncio
import signal
import sys

from stack.standin.server import HOST, listen


async def serve(host: str, port: int) -> None:
    """Serve until told to stop; the address is printed once it is open."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await listen(port, host)
    sys.stdout.write(f"stand-in model on http://{host}:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m stack.standin", description="The scripted model provider.")
    parser.add_argument("--port", type=int, required=True, help="0 picks a free one")
    parser.add_argument("--host", default=HOST, help="the address to listen on")
    chosen = parser.parse_args()
    asyncio.run(serve(chosen.host, chosen.port))
