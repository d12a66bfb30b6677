"""A protected API in Python with FastAPI. It asks Gatehouse at each request."""

import hashlib
import os
import socket
import uuid

import httpx
import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response

gatehouse = httpx.AsyncClient(
    base_url=os.environ["GATEHOUSE_URL"],
    headers={"authorization": f"Bearer {os.environ['GATEHOUSE_SERVICE_KEY']}"},
    timeout=5,
)
app = FastAPI()


class Refused(Exception):
    def __init__(self, status: int, body: dict, headers: dict | None = None):
        self.answer = JSONResponse(body, status, headers)


@app.exception_handler(Refused)
async def answer_refused(_request: Request, refused: Refused) -> Response:
    return refused.answer


def refuse(status: int, code: str) -> Refused:
    headers = {"www-authenticate": 'Bearer error="invalid_token"'} if status == 401 else None
    return Refused(status, {"error": code, "status": status}, headers)


async def ask(path: str, body: dict, **headers: str) -> httpx.Response:
    """Asks Gatehouse. If it cannot answer, answers 503 and not 401: the person is still signed in."""
    try:
        answer = await gatehouse.post(path, json=body, headers=headers)
    except httpx.HTTPError:
        raise refuse(503, "GATEHOUSE_UNAVAILABLE") from None
    if answer.is_success or answer.status_code == 428:
        return answer
    raise refuse(503, "GATEHOUSE_UNAVAILABLE")


def bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise refuse(401, "UNAUTHENTICATED")
    return token.strip()


def require(permission: str):
    """Returns a dependency that gives the person, or answers 401, 403 or 503."""

    async def check(request: Request) -> dict:
        question = {"token": bearer(request), "address": request.client.host}
        who = (await ask("/api/token/introspect", question)).json()
        if not who["active"]:
            raise refuse(401, "UNAUTHENTICATED")
        if permission not in who["permissions"]:
            raise refuse(403, "FORBIDDEN")
        return who

    return Depends(check)


async def consume_proof(request: Request, who: dict, name: str, purpose: str) -> None:
    """Spends a proof for this one act. Without one, answers 428 with the challenge."""
    if who["token_type"] != "Bearer":
        # An API key belongs to a program, which has no second factor.
        raise refuse(403, "PERSON_REQUIRED")
    # Everything that decides what the act does. If your act has a body, add it.
    target = f"{request.method}\n{request.url.path}?{request.url.query}"
    act = {"name": name, "digest": hashlib.sha256(target.encode()).hexdigest()}
    question = {"token": bearer(request), "purpose": purpose, "act": act, "consume": True}
    answer = await ask("/api/token/step-up", question)
    if answer.status_code == 428:
        # The browser client answers the challenge and repeats the request.
        headers = {"www-authenticate": answer.headers["www-authenticate"]}
        raise Refused(428, answer.json(), headers)
    if not answer.json()["active"]:
        raise refuse(401, "UNAUTHENTICATED")


async def record(request: Request, who: dict, action: str, details: dict) -> None:
    """Writes an event into the audit log, or answers 503."""
    event = {
        "action": action,
        "tenant": who["tid"],
        "actor": {"staffId": who["staff_id"]},
        "address": request.client.host,
        "details": details,
    }
    await ask("/api/audit/events", {"events": [event]}, **{"idempotency-key": str(uuid.uuid4())})


@app.get("/projects")
async def list_projects(who: dict = require("app:projects.view")) -> dict:
    return {"tenant": who["tenant"], "projects": []}


@app.delete("/projects/{project}", status_code=204)
async def delete_project(
    project: str, request: Request, who: dict = require("app:projects.delete")
) -> None:
    await consume_proof(request, who, "DELETE /projects/:id", "app:delete_project")
    # First the event: nothing is deleted without one.
    await record(request, who, "app.project.deleted", {"project": project})


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
