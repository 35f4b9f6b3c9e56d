"""Sphinx extension: of a decision record the search knows the title, not the text.

The records have all the words of the guide, and would fill the results.
"""

RECORDS = "development/adr/"


def leave_out(app, doctree):
    """As if the page began with ``:nosearch:``."""
    docname = app.env.docname
    if docname.startswith(RECORDS):
        app.env.metadata[docname]["nosearch"] = ""


def setup(app):
    # Sphinx collects the metadata of a page at the default priority of 500.
    app.connect("doctree-read", leave_out, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
