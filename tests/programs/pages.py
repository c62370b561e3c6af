"""A service with routes of its own, good and bad, for the proxy to carry to."""

import asyncio
import os
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import Request, Response, WebSocket
from fastapi.responses import HTMLResponse, StreamingResponse

from windlass import InputsError, Launch, ServeAPI, forms

app = ServeAPI()


@app.enter("/form", forms.Model(forms.InputText("name", label="Name", required=True), forms.Submit("Go")))
async def enter(request: Request, inputs: dict[str, Any]) -> Launch:
    """Greet somebody."""
    if inputs["name"] == "Nobody":
        raise InputsError(name="is nobody")
    return Launch(request, greet, inputs)


async def greet(inputs: dict[str, Any]) -> str:
    """Greet."""
    return f"Hello, {inputs['name']}."


@app.get("/", entry=True)
async def home(request: Request) -> dict[str, Any]:
    """Where one is and who one is."""
    return {"url": str(request.url), "user": request.state.user, "here": str(request.url_for("echo"))}


@app.post("/echo")
@app.put("/echo")
async def echo(request: Request) -> dict[str, Any]:
    """What arrives."""
    size = 0
    async for piece in request.stream():
        size += len(piece)
    return {
        "method": request.method,
        "headers": dict(request.headers),
        "query": dict(request.query_params),
        "size": size,
    }


@app.post("/mirror")
async def mirror(request: Request) -> StreamingResponse:
    """Every piece at once, as it comes."""
    return StreamingResponse(request.stream(), media_type="application/octet-stream")


@app.get("/page")
async def page() -> Response:
    """A page that would like to be ours."""
    wishes = {"clear-site-data": '"*"', "x-accel-redirect": "/v1/me", "access-control-allow-origin": "null"}
    wishes |= {"set-cookie": "windlass=theirs", "content-security-policy": "script-src *", "x-count": "3"}
    return HTMLResponse("<script>document.title='theirs'</script>", headers={**wishes, "cache-control": "public"})


@app.get("/thief")
async def thief() -> Response:
    """A page that acts as whoever looks at it, if it can; its title says what it got."""
    tries = (
        "(async () => { const got = [self.origin];"
        "try { got.push(await (await fetch('/v1/me', {credentials: 'include'})).text()) } catch { got.push('unread') }"
        "try { got.push(document.cookie) } catch { got.push('no cookie') }"
        "await fetch('/v1/auth/logout', {method: 'POST', mode: 'no-cors', credentials: 'include'});"
        "document.title = got.join('|') })()"
    )
    return HTMLResponse(f"<title></title><script>{tries}</script>")


@app.get("/ticks")
async def ticks(pause: float = 0.02, size: int = 100) -> StreamingResponse:
    """Something now and then, for ever."""

    async def told() -> AsyncGenerator[bytes]:
        while True:
            yield b"." * size
            await asyncio.sleep(pause)

    return StreamingResponse(told(), media_type="text/plain")


@app.get("/silence")
async def silence() -> None:
    """Never answer."""
    await asyncio.sleep(3600)


@app.get("/raises")
async def raises() -> None:
    """Fail."""
    raise RuntimeError("a secret of the program")


@app.get("/dies")
async def dies() -> None:
    """Take the process along."""
    os._exit(9)


@app.websocket("/talk")
async def talk(websocket: WebSocket) -> None:
    """Say everything back, until somebody says bye."""
    await websocket.accept(subprotocol="words" if "words" in websocket.scope["subprotocols"] else None)
    await websocket.send_json({"user": websocket.headers["x-windlass-user"], "cookie": websocket.headers.get("cookie")})
    while (said := await websocket.receive())["type"] == "websocket.receive":
        if said.get("text") == "bye":
            await websocket.close(4321)
            return
        await websocket.send({**said, "type": "websocket.send"})


@app.websocket("/closed")
async def closed(websocket: WebSocket) -> None:
    """Let nobody in."""
    await websocket.close()


async def garbage(scope: Any, receive: Any, send: Any) -> None:
    """Answer what no server would."""
    wrong = [[b"x-split", b"a\r\nset-cookie: b=c"]] if scope["path"].endswith("/header") else []
    await send(
        {"type": "http.response.start", "status": 99 if scope["path"].endswith("/status") else 200, "headers": wrong}
    )


app.mount("/garbage", garbage)
