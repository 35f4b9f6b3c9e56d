"""The README as PyPI shows it: links that lead into the repository lead to its pages on the web."""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface


def with_addresses(text, documentation, repository, tag):
    """Pages of the documentation where they are published, everything else in the repository."""

    def address(match):
        path = match["path"]
        if path.startswith("docs/") and path.endswith(".rst"):
            page = path.removeprefix("docs/").removesuffix(".rst")
            return f"]({documentation}{page}.html)"
        # A picture, not the page around it.
        form = "raw" if path.endswith(".png") else "blob"
        return f"]({repository}/{form}/{tag}/{path})"

    return re.sub(r"\]\((?!https:|#)(?P<path>[^)\s]+)\)", address, text)


class ReadmeHook(MetadataHookInterface):
    """Fills in ``readme`` of pyproject.toml."""

    def update(self, metadata):
        """Links into the repository go to the files of this version."""
        urls, tag = metadata["urls"], f"v{metadata['version']}"
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        text = with_addresses(text, urls["Documentation"], urls["Source"], tag)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
