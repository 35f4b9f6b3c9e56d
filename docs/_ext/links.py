"""After a build, dead links and what pages would fetch from other hosts are warnings.

Sphinx checks references of its own, but not links in raw HTML, in templates and in scripts.
"""

from html.parser import HTMLParser
from pathlib import Path
from posixpath import normpath
from urllib.parse import unquote, urlsplit

from sphinx.util import logging

logger = logging.getLogger(__name__)

# What a browser fetches without being asked. A link to another host in the text may stay.
FETCHED = {
    ("img", "src"),
    ("script", "src"),
    ("link", "href"),
    ("iframe", "src"),
    ("source", "src"),
}
NOT_FETCHED = {"canonical", "search", "index", "prev", "next", "author", "license"}


class Page(HTMLParser):
    """Anchors, links and fetched addresses of one page."""

    def __init__(self, html):
        super().__init__()
        self.anchors = set()
        self.links = []
        self.fetched = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        for name in ("href", "src"):
            if name in values:
                self.links.append(values[name])
                if (tag, name) in FETCHED and values.get("rel") not in NOT_FETCHED:
                    self.fetched.append(values[name])


def problems(folder, names):
    """(page, what is wrong) for the pages `names`, which lie in `folder`."""
    folder = Path(folder)
    pages = {name: Page((folder / name).read_text(encoding="utf-8")) for name in names}
    for name, page in pages.items():
        for address in page.fetched:
            if urlsplit(address).netloc:
                yield name, f"is fetched from another host: {address}"
        for address in dict.fromkeys(page.links):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = normpath(f"{name}/../{unquote(parts.path)}") if parts.path else name
            anchors = pages[target].anchors if target in pages else None
            if not (folder / target).exists():
                yield name, f"no such page: {address}"
            elif parts.fragment and anchors is not None and unquote(parts.fragment) not in anchors:
                yield name, f"no such place in the page: {address}"


def check_links(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    names = [f"{docname}.html" for docname in sorted(app.env.found_docs)]
    for name, problem in problems(app.outdir, names):
        logger.warning("%s: %s", name, problem, type="links")


def setup(app):
    app.connect("build-finished", check_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
