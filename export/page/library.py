"""The files of npm packages that the page loads: from a content delivery network, checked by hash, or beside it."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

#: Serves the files of every npm package as they were published.
CDN = "https://cdn.jsdelivr.net/npm/"
#: Folder of the files beside the page.
FOLDER = "library"

TFJS_VERSION = "4.22.0"
LITERT_VERSION = "2.5.3"


@dataclasses.dataclass(frozen=True)
class LibraryFile:
    """One file of an npm package.

    Attributes:
        package: its name.
        version: exact.
        path: of the file inside the package.
        integrity: SHA-384 of the file, as browsers check it.
        name: what its copy beside the page is called.
    """

    package: str
    version: str
    path: str
    integrity: str
    name: str

    @property
    def address(self) -> str:
        """Where the content delivery network has it."""
        return f"{CDN}{self.package}@{self.version}/{self.path}"


def _tfjs(package: str, file: str, digest: str) -> LibraryFile:
    return LibraryFile(f"@tensorflow/{package}", TFJS_VERSION, f"dist/{file}", f"sha384-{digest}", file)


def _litert(path: str, digest: str, *, package: str = "core", name: str | None = None) -> LibraryFile:
    integrity = f"sha384-{digest}"
    return LibraryFile(f"@litertjs/{package}", LITERT_VERSION, path, integrity, name or path.split("/")[-1])


#: By the name that the page's script has for each.
TFJS: dict[str, LibraryFile] = {
    "core": _tfjs(
        "tfjs-core", "tf-core.es2017.min.js", "pwFlZMvh0feP+i0lcqJy+EGMsa8y8MInwWkUgARHZEHUGyTNqxnqfi38fzMU994Z"
    ),
    "converter": _tfjs(
        "tfjs-converter",
        "tf-converter.es2017.min.js",
        "jYgcd4ez9iEjyoeMMxPS7PCpt0FCX9Mc3ovkX5gEI0BnKmxJOiBBi9wWaPyzE40X",
    ),
    "cpu": _tfjs(
        "tfjs-backend-cpu",
        "tf-backend-cpu.es2017.min.js",
        "sPiIjbpRaPJB90ZO/johjqnr46hhKnEcpE8PDDzhNxpvbVFzxmuetWaLaZQtFwEG",
    ),
    "wasm": _tfjs(
        "tfjs-backend-wasm",
        "tf-backend-wasm.es2017.min.js",
        "SqoVPLooc7QMMmp0JuPMz9M6JqkYFd7wX08paKmclTcGS/36X7RY+hbkK7Big30W",
    ),
    "webgl": _tfjs(
        "tfjs-backend-webgl",
        "tf-backend-webgl.es2017.min.js",
        "vLZ29FEcQ9QWLdF6cKts4jNSPRioiSHmaggrIjdw0FbgdUp3CV0qUb4Mvp1C/ehV",
    ),
    "webgpu": _tfjs(
        "tfjs-backend-webgpu",
        "tf-backend-webgpu.es2017.min.js",
        "PMbEpqRHflyIjqjUzZNr1ZjYSccb6KDXZAfYugyFU5jJ0Z+CFE+qPYxpLm6JTQkL",
    ),
    "tfjs-backend-wasm.wasm": _tfjs(
        "tfjs-backend-wasm",
        "tfjs-backend-wasm.wasm",
        "ZwWxXkngOvkV9/jOFE8ZwnuJTftuqBs9dPATM9/5t0SK6UNhYkhiCmKe98UmiVMj",
    ),
    "tfjs-backend-wasm-simd.wasm": _tfjs(
        "tfjs-backend-wasm",
        "tfjs-backend-wasm-simd.wasm",
        "K3GxiUF8sNsf8m8ZYuEKWXFARCxCn0erZqbTdbYOpxeDRf0k+CWFF5gZ3xbW4cez",
    ),
    "tfjs-backend-wasm-threaded-simd.wasm": _tfjs(
        "tfjs-backend-wasm",
        "tfjs-backend-wasm-threaded-simd.wasm",
        "EuJw7PP3AQ4wqZVHrEgsG4/kh0NOitIk4QYoE+NEXyq03nKu/1qfVy0MSCwvvzMK",
    ),
}
LITERT: dict[str, LibraryFile] = {
    "@litertjs/core": _litert(
        "dist/index.js", "MapSVJ/DPwvaWpp7q+Bid9O3uY1oB0KOU1QRMP+Mm5zdz5oMme/BUyX6dVAMWnPg", name="litert.js"
    ),
    "@litertjs/wasm-utils": _litert(
        "dist/index.js",
        "HIPwlWsctS5BRqrnvJKDVJ8SvqKB0QmiImdr6+hpP7+8UqeMJX/qrBkdfKQV2WZ/",
        package="wasm-utils",
        name="litert_wasm_utils.js",
    ),
    "litert_wasm_internal.js": _litert(
        "wasm/litert_wasm_internal.js", "NB/Wc4iozynQO5jzJ2VFoMKbqMvwwFGWxJL/o63IJT6W2JfZbsSLxA2cF6H/mLpQ"
    ),
    "litert_wasm_internal.wasm": _litert(
        "wasm/litert_wasm_internal.wasm", "AZ/Ak4CbDpjqpSr8WsnoL3Dcx6bDFA/k9b/jahok1TGHZ2OqIRjLBMiEmiNedhlC"
    ),
    "litert_wasm_compat_internal.js": _litert(
        "wasm/litert_wasm_compat_internal.js", "oh4nb8zDq6eVOpGeZE5gwDOJ16QujHLL8k/HEXt3XiPxr+8zn3YnkXP8P3BlJET1"
    ),
    "litert_wasm_compat_internal.wasm": _litert(
        "wasm/litert_wasm_compat_internal.wasm", "glAZ6WjS7tLRt89pbTPXvLC1c7DCaVSfL2ngn5gZJiUuPs76fWYJy7ZeFaD0PJXx"
    ),
}


def addresses(files: Mapping[str, LibraryFile], *, offline: bool) -> dict[str, dict[str, str]]:
    """Return for each file its `url`, and the `integrity` of what is not beside the page.

    >>> addresses({"cpu": TFJS["cpu"]}, offline=True)
    {'cpu': {'url': './library/tf-backend-cpu.es2017.min.js'}}
    """
    if offline:
        # Without a hash: a browser checks none of files that are opened without a server.
        return {key: {"url": f"./{FOLDER}/{file.name}"} for key, file in files.items()}
    return {key: {"url": file.address, "integrity": file.integrity} for key, file in files.items()}


def copy_files(files: Iterable[LibraryFile], modules: Path, folder: Path) -> None:
    """Copy files out of the folder that holds `node_modules`."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(modules / "node_modules" / file.package / file.path, folder / file.name)
