"""The sidebar of the reference: names without their modules, under the headings of its page."""

from docutils import nodes
from sphinx import addnodes

REFERENCE = "reference/index"
GENERATED = "reference/generated/"


def caption_toctrees(app, doctree):
    """The first toctree of a section has its heading as a caption."""
    if app.env.docname != REFERENCE:
        return
    for section in doctree.findall(nodes.section):
        own = (
            toctree
            for toctree in section.findall(addnodes.toctree)
            if next(iter_sections(toctree)) is section
        )
        toctree = next(own, None)
        if toctree is not None and not toctree["caption"]:
            toctree["caption"] = toctree["rawcaption"] = section[0].astext()


def iter_sections(node):
    """The sections around a node, the innermost first."""
    while node is not None:
        if isinstance(node, nodes.section):
            yield node
        node = node.parent


def shorten_titles(app, doctree):
    """A link in a sidebar or breadcrumb says LSTMSequenceClassifier; the page keeps its title."""
    docname = app.env.docname
    if docname.startswith(GENERATED):
        name = nodes.Text(docname.removeprefix(GENERATED).rpartition(".")[2])
        app.env.titles[docname] = nodes.title("", "", name)
        link = next(app.env.tocs[docname].findall(nodes.reference))
        link.children = []
        link += name.copy()


def setup(app):
    # Sphinx collects toctrees and titles at the default priority of 500.
    app.connect("doctree-read", caption_toctrees, priority=400)
    app.connect("doctree-read", shorten_titles, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
