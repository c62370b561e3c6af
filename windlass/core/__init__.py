"""The server's shared code; not part of the published wheel."""

import sys

if not {"structlog", "rich"} & sys.modules.keys():
    # Where rich is installed structlog loads it, for consoles with colours: 5 MiB and 0.1 s in every server process.
    sys.modules["rich"] = None  # pyright: ignore[reportArgumentType] - the import system's word for "not there"
    import structlog as structlog

    del sys.modules["rich"]
