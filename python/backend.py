"""Builds the package (PEP 517) with the standard library alone, so that it installs where nothing can be fetched.

    pip wheel --no-deps ./python
"""
from __future__ import annotations

import base64
import hashlib
import io
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
_PROJECT = (HERE / "pyproject.toml").read_text(encoding="utf-8")


def _field(name: str) -> str:
    found = re.search(rf'^{name} = "(.*)"$', _PROJECT, re.MULTILINE)
    if found is None:
        raise ValueError(f"pyproject.toml has no {name}")
    return found[1]


NAME, VERSION = _field("name"), _field("version")


def _metadata() -> bytes:
    head = ("Metadata-Version: 2.1", f"Name: {NAME}", f"Version: {VERSION}", f"Summary: {_field('description')}", "License: Apache-2.0",
            f"Requires-Python: {_field('requires-python')}", "Description-Content-Type: text/markdown")
    return "\n".join(head).encode() + b"\n\n" + (HERE / "README.md").read_bytes()


def _write(archive: str, files: dict[str, bytes]) -> None:
    """The same bytes each time: in order, and without times."""
    with zipfile.ZipFile(archive, "w") as wheel:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o644 << 16
            wheel.writestr(info, data, zipfile.ZIP_DEFLATED)


def _wheel(directory: str, files: dict[str, bytes]) -> str:
    folder = f"{NAME}-{VERSION}.dist-info"
    files[f"{folder}/METADATA"] = _metadata()
    files[f"{folder}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: receiptd\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    lines = [f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')},{len(data)}" for name, data in files.items()]
    files[f"{folder}/RECORD"] = "\n".join([*lines, f"{folder}/RECORD,,", ""]).encode()
    name = f"{NAME}-{VERSION}-py3-none-any.whl"
    _write(str(Path(directory, name)), files)
    return name


def _sources() -> dict[str, bytes]:
    package = HERE / "src" / NAME
    return {f"{NAME}/{file.relative_to(package).as_posix()}": file.read_bytes() for file in sorted(package.rglob("*")) if file.suffix == ".py" or file.name == "py.typed"}


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: Any = None) -> str:
    return _wheel(wheel_directory, _sources())


def build_editable(wheel_directory: str, config_settings: Any = None, metadata_directory: Any = None) -> str:
    """For `pip install -e`: a line that leads to the sources."""
    return _wheel(wheel_directory, {f"{NAME}.pth": f"{HERE / 'src'}\n".encode()})


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    folder = f"{NAME}-{VERSION}"
    files = {name: (HERE / name).read_bytes() for name in ("pyproject.toml", "backend.py", "README.md")}
    files.update({f"src/{name}": data for name, data in _sources().items()})
    files["PKG-INFO"] = _metadata()
    with tarfile.open(str(Path(sdist_directory, f"{folder}.tar.gz")), "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size, info.mode = len(data), 0o644
            archive.addfile(info, io.BytesIO(data))
    return f"{folder}.tar.gz"
