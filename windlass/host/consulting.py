"""Asking a service's handlers outside of any run: what to launch, and what an answer amounts to."""

from windlass.errors import InputsError
from windlass.host.orders import Order
from windlass.host.wire import Message
from windlass.service import ServeAPI
from windlass.values import plain


async def consult(app: ServeAPI, message: Message) -> Message:
    """What the handler says: a decision, a result, what is wrong with the inputs, or that it failed."""
    try:
        return {"op": "consulted", **(await _asked(app, message))}
    except InputsError as refused:
        return {"op": "consulted", "outcome": "invalid", "fields": refused.by_field()}
    except Exception as error:  # noqa: BLE001 (the edge of foreign code: whoever asked is told)
        return {"op": "consulted", "outcome": "failed", "error": {"type": type(error).__name__, "message": str(error)}}


async def _asked(app: ServeAPI, message: Message) -> Message:
    order = Order.read(message)
    request = order.request(app)
    if message["op"] == "lease":
        inputs: Message = message.get("inputs") or {}
        result = await app.take_answer(str(message.get("name")), message.get("data"), inputs, request)
        return {"outcome": "taken", "result": plain(result)}
    flow = app.flow(order.flow)
    if flow is None:
        raise ValueError(f"no such flow: {order.flow}")
    launch = await flow.enter(flow.checked(order.inputs), request)
    return {"outcome": "launched", "launch": launch.decision()}
