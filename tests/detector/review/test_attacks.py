"""Who may ask, and what no asking does. Each line of the tables is an attack that was tried, and what came of it."""

from __future__ import annotations

import json
import socket

import pytest

from detector.review.asked import MOST_BODY_BYTES
from detector.store.reviews.log import read_reviews
from tests.detector.review.conftest import HOSTILE, PORT, Page, write_store

ORIGIN = f"http://127.0.0.1:{PORT}"
HERE = f"127.0.0.1:{PORT}"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One for all: no attack changes it."""
    return write_store(tmp_path_factory.mktemp("attacked"))


@pytest.fixture(scope="module")
def page(store):
    attacked = Page(store)
    yield attacked
    attacked.answers.close()


def said(photos):
    return json.dumps({"reviewer": "Noa", "say": "person", "boxes": [photos.box("hoopoe0.jpg")]})


@pytest.mark.parametrize(
    ("what", "headers", "status"),
    [
        ("a name that was made to mean 127.0.0.1 (DNS rebinding)", {"Host": f"evil.example:{PORT}"}, 400),
        ("the same, with the right origin", {"Host": f"evil.example:{PORT}", "Origin": ORIGIN}, 400),
        ("another port's name", {"Host": "127.0.0.1:80", "Origin": ORIGIN}, 421),
        ("a name of this computer that others can take", {"Host": f"localhost:{PORT}", "Origin": ORIGIN}, 400),
        ("a form of another page", {"Origin": "https://evil.example"}, 403),
        ("a page of another port here", {"Origin": "http://127.0.0.1:8888"}, 403),
        ("a page in a frame without an origin", {"Origin": "null"}, 403),
        ("no origin at all", {}, 403),
        ("an origin that begins like this one", {"Origin": f"{ORIGIN}.evil.example"}, 403),
        ("the right origin, by a fetch from elsewhere", {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"}, 403),
        ("a form's type, which needs no leave", {"Origin": ORIGIN, "Content-Type": "text/plain"}, 415),
        ("a form's other type", {"Origin": ORIGIN, "Content-Type": "application/x-www-form-urlencoded"}, 415),
        ("no cookie", {"Origin": ORIGIN, "Cookie": "no=1"}, 401),
        ("another's cookie", {"Origin": ORIGIN, "Cookie": f"hoopoe-{PORT}=guess"}, 401),
    ],
)
def test_no_other_page_can_say_anything(page, store, photos, what, headers, status):
    response = page.client.post(
        "/api/mark", content=said(photos), headers={"Content-Type": "application/json"} | headers
    )
    assert response.status_code == status, what
    assert read_reviews(store) == []


@pytest.mark.parametrize(
    "path",
    ["/api/start", "/api/boxes", "/api/names?text=a", "/pictures/frame?media=m0123456789abcdef&frame=0", "/no/such"],
)
@pytest.mark.parametrize("headers", [{"Cookie": "no=1"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_nobody_else_is_told_anything(page, path, headers):
    response = page.client.get(path, headers=headers)
    assert response.status_code in (400, 401, 403)
    assert HOSTILE not in response.text


def test_the_token_opens_and_nothing_else_does(page):
    for token in ("", "guess", page.keys.token[:-1], page.keys.token + "a", page.keys.cookie):
        page.post("/api/enter", {"token": token}, 401)
    response = page.client.post("/api/enter", json={"token": page.keys.token}, headers={"Origin": ORIGIN})
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert page.keys.token not in cookie


OUTSIDE = (
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "/etc/passwd",
    "C:\\Windows\\win.ini",
    "m0123456789abcde/",
    "\x00",
)


@pytest.mark.parametrize("text", [*OUTSIDE, "m0123456789abcdef", HOSTILE, "", "9" * 5000])
@pytest.mark.parametrize(
    ("path", "key", "rest"),
    [
        ("/pictures/crop", "media", {"frame": 0, "box": 0}),
        ("/pictures/crop", "frame", {"media": "{item}", "box": 0}),
        ("/pictures/crop", "box", {"media": "{item}", "frame": 0}),
        ("/pictures/frame", "media", {"frame": 0}),
        ("/pictures/frame", "size", {"media": "{item}", "frame": 0}),
        ("/api/file", "media", {}),
        ("/api/visit", "box", {}),
        ("/api/boxes", "queue", {}),
        ("/api/boxes", "name", {}),
        ("/api/boxes", "after", {}),
        ("/api/boxes", "place", {}),
        ("/api/blanks", "after", {}),
        ("/api/failed", "after", {}),
        ("/api/changes", "since", {"reviewer": "Noa"}),
    ],
)
def test_no_parameter_is_a_path_or_anything_but_what_it_is(page, photos, path, key, rest, text):
    filled = {name: str(value).replace("{item}", photos.id("hoopoe0.jpg")) for name, value in rest.items()}
    response = page.client.get(path, params=filled | {key: text})
    if (path, text) == ("/api/blanks", "m0123456789abcdef"):
        assert response.status_code == 200  # behind a file that is no blank one the order begins
        return
    assert response.status_code in (400, 404)
    assert "root:" not in response.text


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/app/../../web/guarding.py",
        "/static//etc/passwd",
        "/static/%2e%2e/boxes.py",
        "/static/app/start.js/",
    ],
)
def test_only_the_files_of_the_page_are_files(page, path):
    response = page.client.get(path, follow_redirects=False)
    assert response.status_code in (401, 404, 307)
    assert "import" not in response.text


@pytest.mark.parametrize(
    ("what", "body", "status"),
    [
        ("no JSON", "{", 400),
        ("a list", "[]", 400),
        ("nested too deeply", "[" * 100_000, 400),
        ("a field that is none", '{"reviewer":"Noa","say":"bird","boxes":["%s"],"path":"/etc"}', 400),
        ("a number for a name", '{"reviewer":7,"say":"bird","boxes":["%s"]}', 400),
        ("nobody", '{"reviewer":"  ","say":"bird","boxes":["%s"]}', 400),
        ("letters that turn the line around", '{"reviewer":"a\\u202eb","say":"bird","boxes":["%s"]}', 400),
        ("a verdict that is none", '{"reviewer":"Noa","say":"withdrawn","boxes":["%s"]}', 400),
        ("no name", '{"reviewer":"Noa","say":"named","boxes":["%s"]}', 400),
        ("a name that is none", '{"reviewer":"Noa","say":"named","name":"Xyzzy plugh","boxes":["%s"]}', 422),
        (
            "markup for a name",
            '{"reviewer":"Noa","say":"named","name":"<script>alert(1)</script>","boxes":["%s"]}',
            422,
        ),
        ("a box that is none", '{"reviewer":"Noa","say":"bird","boxes":["../..:0:0"]}', 400),
        ("a box of no file", '{"reviewer":"Noa","say":"bird","boxes":["m0123456789abcdef:0:0"]}', 404),
        ("a box that is not there", '{"reviewer":"Noa","say":"bird","boxes":["%s9"]}', 404),
        ("a file that is not there", '{"reviewer":"Noa","say":"nothing","files":["m0123456789abcdef"]}', 404),
        ("a group that is not there", '{"reviewer":"Noa","say":"real","groups":["%s"]}', 404),
        ("of nothing", '{"reviewer":"Noa","say":"bird"}', 400),
        ("a million birds", '{"reviewer":"Noa","say":"noted","count":1000001,"boxes":["%s"]}', 400),
        ("no number", '{"reviewer":"Noa","say":"noted","count":NaN,"boxes":["%s"]}', 400),
        ("a sex that is none", '{"reviewer":"Noa","say":"noted","sex":"<b>","boxes":["%s"]}', 400),
        ("the sex of nothing", '{"reviewer":"Noa","say":"nothing","sex":"male","boxes":["%s"]}', 422),
        ("a note of nothing", '{"reviewer":"Noa","say":"noted","boxes":["%s"]}', 422),
        (
            "fewer names than boxes",
            '{"reviewer":"Noa","say":"accept","seen":["0123456789ab","0123456789ab"],"boxes":["%s"]}',
            400,
        ),
        ("too much", " " * (MOST_BODY_BYTES + 1), 413),
    ],
)
def test_what_is_ill_formed_is_refused_and_nothing_is_said(page, store, photos, what, body, status):
    text = body.replace("%s", photos.box("hoopoe0.jpg"))
    response = page.client.post(
        "/api/mark", content=text, headers={"Content-Type": "application/json", "Origin": ORIGIN}
    )
    assert response.status_code == status, (what, response.text)
    assert response.json()["problem"]
    assert read_reviews(store) == []


def test_a_body_of_no_announced_length_is_refused(page):
    headers = {"Content-Type": "application/json", "Origin": ORIGIN, "Transfer-Encoding": "chunked"}
    assert page.client.post("/api/mark", content=iter([b"{}"]), headers=headers).status_code == 413


@pytest.mark.parametrize("path", ["/", "/static/app/start.js", "/api/start", "/no/such", "/pictures/crop"])
def test_every_answer_forbids_what_the_page_does_not_need(page, path):
    headers = page.client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    expected = {
        "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "x-frame-options": "DENY",
        "cross-origin-resource-policy": "same-origin", "cross-origin-opener-policy": "same-origin",
    }  # fmt: skip
    assert {name: headers[name] for name in expected} == expected
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_do_nothing(page, method):
    assert page.client.request(method, "/api/mark").status_code == 405


def test_it_listens_on_this_computer_alone():
    from detector.review.web.server import listen

    with listen(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"


def test_a_port_is_free_again_when_the_program_has_ended():
    from detector.review.web.server import listen

    with listen(0) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            listening.accept()[0].close()  # the system remembers who said goodbye first for a minute
    listen(port).close()
