"""Python runs this at its start where it finds it on its path."""

import no_network  # noqa: F401
