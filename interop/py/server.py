"""An A2A server on the protocol's Python SDK, with an agent whose first message is a script.

    python server.py --port 8750 [--db FILE] [--token SECRET] [--no-streaming] [--no-push] [--v03] [--public PORT]
        [--with-parent]

Bindings: JSON-RPC at /rpc, HTTP+JSON at /rest, card at /.well-known/agent-card.json. Loopback only.
Ready when it prints "a2a ready http://127.0.0.1:PORT".

The text of the first message is a list of steps, one a line or split by ';' :
    work N          N seconds of work, a status message each second
    quiet N         N seconds of work, no event
    chunks N [D]    one artifact in N pieces, D seconds apart (append, lastChunk)
    artifact TEXT   one whole artifact
    data JSON       one artifact with a data part
    ask TEXT        input-required with that question; the next message is the answer, echoed as an artifact
    ask-data JSON   the same with a data part
    auth N          auth-required, then goes on by itself after N seconds (credential arrived elsewhere)
    auth-in         auth-required, goes on at the next message
    fail [TEXT]     failed        reject [TEXT]  rejected
    crash           the executor raises
    reply TEXT      (first step only) a direct Message, no task
    silent N        nothing, not even the task, for N seconds (a start whose reply is late)
    nocancel        refuse to be cancelled from here on
    done [TEXT]     completed (also the end of the list)
"""
import argparse
import asyncio
import json
import os
import sys
import threading

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse

from a2a.helpers import new_data_part, new_message, new_task_from_user_message, new_text_message, new_text_part
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandlerV2
from a2a.server.routes.agent_card_routes import create_agent_card_routes
from a2a.server.routes.jsonrpc_routes import create_jsonrpc_routes
from a2a.server.routes.rest_routes import create_rest_routes
from a2a.server.tasks import BasePushNotificationSender, InMemoryPushNotificationConfigStore, InMemoryTaskStore, TaskUpdater
from a2a.types.a2a_pb2 import (
    AgentCapabilities, AgentCard, AgentInterface, AgentSkill, APIKeySecurityScheme, HTTPAuthSecurityScheme,
    SecurityScheme, TaskState,
)
from a2a.utils.errors import UnsupportedOperationError


def steps_of(text):
    return [s.strip() for line in text.splitlines() for s in line.split(";") if s.strip()] or ["done hello"]


class Scripted(AgentExecutor):
    def __init__(self):
        self.left = {}      # task id -> steps still to run
        self.asked = {}     # task id -> text of the open question
        self.stubborn = set()
        self.executions = 0

    async def execute(self, context, event_queue):
        self.executions += 1
        task_id, said = context.task_id, context.get_user_input()
        up = TaskUpdater(event_queue, task_id, context.context_id)
        if task_id in self.left:
            question = self.asked.pop(task_id, None)
            await up.start_work()
            if question is not None:
                await up.add_artifact([new_text_part(f"{question} -> {said}")], name="answer")
        elif context.current_task:
            # Another process asked, and its steps are gone with it.
            asked = context.current_task.status.message
            self.left[task_id] = []
            await up.start_work()
            await up.add_artifact([new_text_part(f"{asked.parts[0].text} -> {said}")], name="answer")
        else:
            steps = steps_of(said)
            while steps and steps[0].startswith("silent"):
                await asyncio.sleep(float(steps.pop(0).split()[1]))
            if steps and steps[0].startswith("reply"):
                await event_queue.enqueue_event(new_text_message(steps[0][5:].strip() or "hi"))
                return
            self.left[task_id] = steps
            await event_queue.enqueue_event(new_task_from_user_message(context.message))
            await up.start_work()
        await self.go_on(task_id, up)

    def say(self, up, text):
        return up.new_agent_message([new_text_part(text)])

    async def go_on(self, task_id, up):
        steps = self.left[task_id]
        while steps:
            step = steps.pop(0)
            word, _, rest = step.partition(" ")
            if word == "work":
                for i in range(int(float(rest or 1))):
                    await asyncio.sleep(1)
                    await up.update_status(TaskState.TASK_STATE_WORKING, message=self.say(up, f"step {i + 1}"))
            elif word == "quiet":
                await asyncio.sleep(float(rest))
            elif word == "chunks":
                n, _, d = rest.partition(" ")
                for i in range(int(n)):
                    await up.add_artifact([new_text_part(f"piece {i + 1} ")], artifact_id="chunked", name="chunked",
                                          append=i > 0, last_chunk=i + 1 == int(n))
                    await asyncio.sleep(float(d or 0.3))
            elif word == "artifact":
                await up.add_artifact([new_text_part(rest)], name="text")
            elif word == "data":
                await up.add_artifact([new_data_part(json.loads(rest))], name="data")
            elif word in ("ask", "ask-data"):
                part = new_text_part(rest) if word == "ask" else new_data_part(json.loads(rest))
                self.asked[task_id] = rest
                await up.requires_input(message=up.new_agent_message([part]))
                return
            elif word == "auth":
                await up.requires_auth(message=self.say(up, "sign in at http://127.0.0.1/consent"))
                await asyncio.sleep(float(rest or 1))
                await up.start_work(message=self.say(up, "signed in"))
            elif word == "auth-in":
                self.asked[task_id] = "auth"
                await up.requires_auth(message=self.say(up, "send a code"))
                return
            elif word == "fail":
                return await up.failed(message=self.say(up, rest or "it broke"))
            elif word == "reject":
                return await up.reject(message=self.say(up, rest or "not mine to do"))
            elif word == "crash":
                raise RuntimeError("the executor crashed")
            elif word == "nocancel":
                self.stubborn.add(task_id)
            elif word == "done":
                return await up.complete(message=self.say(up, rest) if rest else None)
        await up.complete()

    async def cancel(self, context, event_queue):
        if context.task_id in self.stubborn:
            raise UnsupportedOperationError(message="this task does not stop")
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


class Bearer:
    def __init__(self, app, token):
        self.app, self.token = app, token

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and not scope["path"].startswith("/.well-known") and scope["path"] != "/_stats":
            if dict(scope["headers"]).get(b"authorization") != b"Bearer " + self.token.encode():
                reply = JSONResponse({"error": "unauthorized"}, 401, {"WWW-Authenticate": "Bearer"})
                return await reply(scope, receive, send)
        await self.app(scope, receive, send)


def end_with_parent():
    """Whoever started this holds the other end of the pipe: however it ends, the pipe closes."""
    sys.stdin.buffer.read()
    os._exit(0)


def main():
    arg = argparse.ArgumentParser()
    arg.add_argument("--port", type=int, default=8750)
    arg.add_argument("--db", help="sqlite file: tasks outlive the process (their executions do not)")
    arg.add_argument("--token")
    arg.add_argument("--no-streaming", action="store_true")
    arg.add_argument("--no-push", action="store_true")
    arg.add_argument("--v03", action="store_true", help="also speak protocol 0.3")
    arg.add_argument("--public", type=int, help="the port that the card names: of a proxy before this server")
    arg.add_argument("--with-parent", action="store_true", help="end when the standard input does")
    a = arg.parse_args()
    if a.with_parent:
        threading.Thread(target=end_with_parent, daemon=True).start()
    base = f"http://127.0.0.1:{a.public or a.port}"
    versions = ["1.0"] + (["0.3"] if a.v03 else [])
    card = AgentCard(
        name="Scripted", description="Does what the message says, step by step.", version="1",
        supported_interfaces=[AgentInterface(url=f"{base}/{path}", protocol_binding=binding, protocol_version=v)
                              for v in versions for path, binding in (("rpc", "JSONRPC"), ("rest", "HTTP+JSON"))],
        capabilities=AgentCapabilities(streaming=not a.no_streaming, push_notifications=not a.no_push),
        default_input_modes=["text/plain"], default_output_modes=["text/plain", "application/json"],
        skills=[AgentSkill(id="script", name="script", description="runs a script", tags=["test"])],
    )
    if a.token:
        card.security_schemes["bearer"].CopyFrom(
            SecurityScheme(http_auth_security_scheme=HTTPAuthSecurityScheme(scheme="Bearer")))
        card.security_requirements.add().schemes["bearer"].SetInParent()
    store = InMemoryTaskStore()
    if a.db:
        from sqlalchemy.ext.asyncio import create_async_engine
        from a2a.server.tasks import DatabaseTaskStore
        store = DatabaseTaskStore(create_async_engine(f"sqlite+aiosqlite:///{a.db}"))
    push_store = InMemoryPushNotificationConfigStore()
    executor = Scripted()
    handler = DefaultRequestHandlerV2(
        agent_executor=executor, task_store=store, agent_card=card, push_config_store=push_store,
        push_sender=BasePushNotificationSender(httpx.AsyncClient(timeout=5), push_store))
    routes = [*create_agent_card_routes(card),
              *create_jsonrpc_routes(handler, "/rpc", enable_v0_3_compat=a.v03),
              *create_rest_routes(handler, path_prefix="/rest", enable_v0_3_compat=a.v03)]
    app = Starlette(routes=routes)

    async def stats(_):
        return JSONResponse({"executions": executor.executions, "tasks": len(executor.left)})
    app.add_route("/_stats", stats)
    if a.token:
        app = Bearer(app, a.token)

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            print(f"a2a ready {base}", flush=True)

    Server(uvicorn.Config(app, host="127.0.0.1", port=a.port, log_level="warning", timeout_graceful_shutdown=1)).run()


if __name__ == "__main__":
    main()
