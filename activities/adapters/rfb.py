"""The screen's own protocol (RFB 3.8, RFC 6143): does it answer, and how its password is kept."""

import asyncio
from contextlib import suppress

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

GREETING = b"RFB 003.008\n"
PATIENCE_S = 1.0
FILE_KEY = bytes([23, 82, 107, 6, 35, 78, 88, 7])  # every VNC server's: the file is obfuscated, not encrypted


async def answers(host: str, port: int) -> bool:
    """Whether a screen greets there."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                return await reader.readexactly(len(GREETING)) == GREETING
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False


def password_file(password: str) -> bytes:
    """The content of the file a VNC server reads its password from."""
    return encrypt(FILE_KEY, password.encode()[:8].ljust(8, b"\0"))


def encrypt(key: bytes, blocks: bytes) -> bytes:
    """DES as VNC uses it: the bits of every byte of the key in reverse."""
    turned = bytes(int(f"{byte:08b}"[::-1], 2) for byte in key[:8].ljust(8, b"\0"))
    encryptor = Cipher(TripleDES(turned * 3), modes.ECB()).encryptor()  # noqa: S305 - the protocol's choice
    return encryptor.update(blocks) + encryptor.finalize()
