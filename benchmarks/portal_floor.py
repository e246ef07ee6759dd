"""A server that hands out one page whatever it is asked for: what clicks cost where nothing is looked up.

python -m benchmarks.portal_floor FOLDER        TLS with the certificate of the portal in that folder
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import uvicorn
from starlette.types import Receive, Scope, Send

from lepton_fed.portal.serving import listening

PAGE = b'<a href="/entries/1">1</a>' + b"<p>a line of a page with some words in it</p>" * 250
"""As long as a page of search results."""


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """The page."""
    assert scope["type"] == "http"
    headers = [(b"content-type", b"text/html"), (b"content-length", str(len(PAGE)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": PAGE})


def main() -> None:
    """Serve until ended."""
    tls = Path(sys.argv[1]) / "tls"
    with closing(listening("127.0.0.1", 0)) as listener:
        files = {"ssl_certfile": tls / "server.crt", "ssl_keyfile": tls / "server.key"}
        config = uvicorn.Config(answer, log_level="warning", lifespan="off", **files)  # type: ignore[arg-type]
        print(f"https://localhost:{listener.getsockname()[1]}", file=sys.stderr, flush=True)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
