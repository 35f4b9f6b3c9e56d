"""Sphinx extension: a name in backticks is a link without its module, if it is the only one."""

from sphinx.util.nodes import make_refnode


def resolve(app, env, node, contnode):
    """Link to the only documented object of this name, such as `sklstm.preprocessing.<name>`."""
    if node.get("reftype") != "obj":
        return None
    objects = env.get_domain("py").objects
    ending = "." + node["reftarget"]
    found = [
        name for name, entry in objects.items()
        # The other names are those of private modules.
        if name.startswith("sklstm.") and name.endswith(ending) and not entry.aliased
    ]  # fmt: skip
    if len(found) != 1:
        return None
    (name,) = found
    entry = objects[name]
    return make_refnode(
        app.builder, node.get("refdoc", env.docname), entry.docname, entry.node_id, contnode, name
    )


def setup(app):
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
