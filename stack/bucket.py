"""Create the bucket of WINDLASS_STORAGE_URL where it is missing: `python -m stack.bucket`, for stores of one's own."""

import asyncio
import sys

from windlass.core.settings import Settings
from windlass.core.storage import StoreAway
from windlass.core.storage.bucket import Bucket, Patience
from windlass.core.storage.places import place_of
from windlass.core.storage.urls import described, folder_of


async def main() -> int:
    """Create the bucket of the settings. The second time nothing happens."""
    settings = Settings.load()
    if folder_of(settings) is not None:
        print(f"{described(settings)} is a folder: there is no bucket to create.")  # noqa: T201 - a command
        return 0
    bucket = Bucket(place_of(settings), Patience())
    try:
        is_new = await bucket.ensure()
    except StoreAway as error:
        print(f"{described(settings)}: {error.detail}", file=sys.stderr)  # noqa: T201 - a command
        return 1
    finally:
        bucket.close()
    print(f"{described(settings)}: {'created' if is_new else 'is there'}.")  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
