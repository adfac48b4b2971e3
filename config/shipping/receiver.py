"""What stands at the far end in a trial: takes lines over TCP with TLS and writes them down as they come.

receiver.py PORT CERTIFICATE KEY FILE
"""

import asyncio
import ssl
import sys
from pathlib import Path

MAX_LINE_BYTES = 1 << 20


async def main(port: int, certificate: str, key: str, file: Path) -> None:
    """Serve until it is ended; each line is in the file before the next is taken."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with file.open("ab", buffering=0) as out:

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while line := await reader.readline():
                    out.write(line)
            except (ConnectionError, ssl.SSLError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(take, "127.0.0.1", port, ssl=context, limit=MAX_LINE_BYTES)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])))
