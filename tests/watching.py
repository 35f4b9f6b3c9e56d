"""A callback of scikit-learn that records what it is called with."""


class Record:
    """Records each hook with the place of its task, and what it was given."""

    def __init__(self):
        self.calls = []
        self.given = []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
        self.calls.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.calls.append(("end", context.task_name, context.task_id))
        self.given.append((X, y, metadata, fitted_estimator))


def epochs(*numbers):
    return [(hook, "epoch", n) for n in numbers for hook in ("begin", "end")]


def whole(*inner):
    return ["setup", ("begin", "fit", 0), *inner, ("end", "fit", 0), "teardown"]
