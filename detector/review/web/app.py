"""The page's questions and answers over HTTP: routes that check what is asked, and ask the desk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import resources
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from backbones.errors import HoopoeError
from detector.review.asked import AskedError, Drawing, Entry, Export, Mark, Undo, Where, checked
from detector.review.web.answers import Answers
from detector.review.web.guarding import ENTER, HOST, Guard, Keys

Form = TypeVar("Form", bound=BaseModel)

TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
SHARED = ("app/base.js", "style/base.css", "style/gallery.css")  # of the report: both look alike
A_YEAR = "private, max-age=31536000, immutable"  # the address of a picture changes with what is blurred in it


def build_app(answers: Answers, keys: Keys) -> Starlette:
    """The server of a desk.

    Args:
        answers: To what the page asks.
        keys: Of this launch.
    """
    routes = [
        Route("/", partial(_static, _page())),
        *(Route(f"/static/{name}", partial(_static, content)) for name, content in _files().items()),
        Route(ENTER, partial(_enter, keys), methods=["POST"]),
        Route("/api/start", _asking(answers.start)),
        Route("/api/boxes", _asking(answers.boxes)),
        Route("/api/summary", _asking(answers.summary)),
        Route("/api/changes", _asking(answers.changes)),
        Route("/api/names", _asking(answers.names)),
        Route("/api/file", _asking(answers.file)),
        Route("/api/visit", _asking(answers.visit)),
        Route("/api/blanks", _asking(answers.blanks)),
        Route("/api/failed", _asking(answers.failed)),
        Route("/api/mark", _saying(Mark, answers.mark), methods=["POST"]),
        Route("/api/draw", _saying(Drawing, answers.draw), methods=["POST"]),
        Route("/api/undo", _saying(Undo, answers.undo), methods=["POST"]),
        Route("/api/where", _saying(Where, answers.where), methods=["POST"]),
        Route("/api/export", _saying(Export, answers.export), methods=["POST"]),
        Route("/pictures/crop", partial(_picture, answers.crop)),
        Route("/pictures/frame", partial(_picture, answers.frame)),
    ]
    guards = [Middleware(TrustedHostMiddleware, allowed_hosts=[HOST], www_redirect=False), Middleware(Guard, keys=keys)]
    handlers: dict[Any, Any] = {HoopoeError: _refused, HTTPException: _not_found}
    return Starlette(routes=routes, middleware=guards, exception_handlers=handlers)


def _page() -> Response:
    content = (resources.files("detector.review") / "static" / "index.html").read_bytes()
    return Response(content, media_type="text/html; charset=utf-8")


def _files() -> dict[str, Response]:
    """All that the page is made of, by name: what is not here cannot be asked for."""
    own, report = (resources.files(f"detector.{room}") / "static" for room in ("review", "report"))
    names = [f"{part}/{each.name}" for part in ("app", "style") for each in (own / part).iterdir()]
    files = {name: (own / name) for name in names} | {f"report/{name}": (report / name) for name in SHARED}
    return {
        name: Response(file.read_bytes(), media_type=TYPES[f".{name.rpartition('.')[2]}"])
        for name, file in files.items()
    }


async def _static(response: Response, _: Request) -> Response:
    return response


async def _enter(keys: Keys, request: Request) -> Response:
    entry = checked(Entry, await _body(request))
    if not keys.opens(entry.token):
        raise AskedError("this address is of an earlier start of `hoopoe review`: open the one that it prints now", 401)
    response = JSONResponse({})
    response.set_cookie(keys.cookie_name, keys.cookie, httponly=True, samesite="strict", path="/")
    return response


def _asking(answer: Callable[[dict[str, str]], Any]) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(answer, dict(request.query_params)))

    return respond


def _saying(form: type[Form], answer: Callable[[Form], Any]) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        said = checked(form, await _body(request))
        return JSONResponse(await run_in_threadpool(answer, said))

    return respond


async def _picture(answer: Callable[[dict[str, str]], Any], request: Request) -> Response:
    future, box = await run_in_threadpool(answer, dict(request.query_params))
    made = await asyncio.shield(asyncio.wrap_future(future))  # others may wait for it, too
    return Response(made[box], media_type="image/jpeg", headers={"Cache-Control": A_YEAR})


async def _body(request: Request) -> bytes:
    return await request.body()  # no longer than the guard let through: the server reads as much as was announced


async def _refused(_: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, AskedError) else 409
    problem = error.problem if isinstance(error, AskedError) else str(error)
    return JSONResponse({"problem": problem}, status)


async def _not_found(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"problem": "there is nothing here"}, status)
