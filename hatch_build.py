"""The README as PyPI shows it: links that lead into the repository lead to its pages on the web."""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface


def with_addresses(text, documentation, source):
    """Pages of the documentation where they are published, everything else in the repository."""

    def address(match):
        path = match["path"]
        if path.startswith("docs/") and path.endswith(".rst"):
            page = path.removeprefix("docs/").removesuffix(".rst")
            return f"]({documentation}{page}.html)"
        # A picture, not the page around it.
        path = source.format("raw" if path.endswith(".png") else "blob") + path
        return f"]({path})"

    return re.sub(r"\]\((?!https:)(?P<path>[^)\s]+)\)", address, text)


class ReadmeHook(MetadataHookInterface):
    """Fills in ``readme`` of pyproject.toml."""

    def update(self, metadata):
        """Links go to this version, as far as there are pages for each."""
        urls = metadata["urls"]
        text = with_addresses(
            Path(self.root, "README.md").read_text(encoding="utf-8"),
            f"{urls['Documentation']}en/stable/",
            f"{urls['Source']}/{{}}/v{metadata['version']}/",
        )
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
