"""Chromium, driven by its own protocol over two pipes: no port, no further package."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import itertools
import json
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SECONDS = 120.0

#: Nothing but this machine has an address: a page that needs the network fails.
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--remote-debugging-pipe",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

Json = dict[str, Any]


def chromium() -> str:
    """Return the path of the browser; a test that has none is skipped, which fails in CI."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs Chromium")
    return found


class Browser:
    """A browser with one page, whose console is kept in `complaints`."""

    def __init__(self, profile: Path) -> None:
        read_from, their_out = os.pipe()
        their_in, write_to = os.pipe()
        # The protocol is spoken on the descriptors 3 and 4.
        command = f'exec "$@" 3<&{their_in} 4>&{their_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", command, "bash", chromium(), *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(their_in, their_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(their_in)
        os.close(their_out)
        self._to, self._from = os.fdopen(write_to, "wb", buffering=0), os.fdopen(read_from, "rb")
        self._numbers = itertools.count(1)
        self._messages: queue.Queue[Json] = queue.Queue()
        self._session: str | None = None
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.serve: Callable[[str], Path | None] | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.send(f"{domain}.enable")

    def _read(self) -> None:
        data = b""
        while chunk := self._from.read1(1 << 20):
            *messages, data = (data + chunk).split(b"\0")
            for message in messages:
                self._messages.put(json.loads(message))
        self._messages.put({"id": None})

    def _post(self, method: str, parameters: Json) -> int:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        session = {"sessionId": self._session} if self._session else {}
        self._to.write(json.dumps({**message, **session}).encode() + b"\0")
        return number

    def send(self, method: str, **parameters: Any) -> Json:
        """Call a method of the protocol and return its result."""
        number = self._post(method, parameters)
        while True:
            message = self._messages.get(timeout=SECONDS)
            if message.get("id") == number:
                assert "error" not in message, message["error"]
                return message["result"]
            assert message.get("id", 0) is not None, "Chromium has ended"
            self._note(message)

    def _note(self, message: Json) -> None:
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"].get("exception", {}).get("description")))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.complaints.append(parameters["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(value.get("value")) for value in parameters["args"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Fetch.requestPaused":
            self._answer(parameters)

    def intercept(self, prefix: str, serve: Callable[[str], Path | None]) -> None:
        """Answer requests to addresses that begin with `prefix` by the file that `serve(rest)` returns."""
        self.serve = lambda address: serve(address.removeprefix(prefix))
        self.send("Fetch.enable", patterns=[{"urlPattern": f"{prefix}*"}])

    def _answer(self, parameters: Json) -> None:
        path = self.serve(parameters["request"]["url"]) if self.serve else None
        kind = {".js": "text/javascript", ".wasm": "application/wasm"}
        headers = {
            "Access-Control-Allow-Origin": "*",
            "Content-Type": kind.get(path.suffix if path else "", "text/plain"),
        }
        self._post(
            "Fetch.fulfillRequest",
            {
                "requestId": parameters["requestId"],
                "responseCode": 200 if path else 404,
                "responseHeaders": [{"name": name, "value": value} for name, value in headers.items()],
                "body": base64.b64encode(path.read_bytes() if path else b"").decode(),
            },
        )

    def before_page(self, script: str) -> None:
        """Have every page that is opened from now on run a script first."""
        self.send("Page.addScriptToEvaluateOnNewDocument", source=script)

    def open(self, address: str) -> None:
        """Open a page, and forget what the one before said."""
        self.complaints.clear()
        self.requests.clear()
        self.send("Page.navigate", url=address)
        self.wait("document.readyState !== 'loading'")

    def evaluate(self, script: str) -> Any:
        """Return the value of a script, which may be a promise."""
        answer = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = SECONDS) -> Any:
        """Return the value of a script as soon as it is true."""
        end = time.monotonic() + seconds
        while not (value := self.evaluate(script)):
            assert time.monotonic() < end, f"{script} did not become true. {self.complaints}"
            time.sleep(0.05)
        return value

    def choose(self, selector: str, *paths: Path) -> None:
        """Give files to an input of the page, as a person does in the dialogue."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def look(self, width: int, height: int, *, dark: bool = False, phone: bool = False) -> None:
        """Set the size of the window, and the colours that the person prefers."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path) -> Path:
        """Write what the window shows as PNG."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))
        return path

    def close(self) -> None:
        """End the browser."""
        with contextlib.suppress(AssertionError, OSError, queue.Empty):
            self._post("Browser.close", {})
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        self._reader.join(10)
        self._to.close()
        self._from.close()


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine and yield its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *arguments: Any) -> None:
            """Say nothing of a browser that has gone to another page."""

    server = Server(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
