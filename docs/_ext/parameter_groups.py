"""Sphinx extension: headings between groups of parameters, and links into the guide."""

# Each group: the parameters of both estimators in their order, with their pages of the guide.
GROUPS = {
    "Network": {
        "hidden_sizes": "architectures",
        "bidirectional": "architectures",
        "pooling": "architectures",
        "patch_size": "architectures",
        "conv_filters": "architectures",
        "n_kernels": "architectures",
        "dense_sizes": "architectures",
        "dropout": "architectures",
    },
    "Token ids": {
        "embedding_dim": "text",
        "vocabulary_size": "text",
        "embedding_weights": "text",
        "freeze_embedding": "text",
        "tfidf": "text",
    },
    "Preprocessing": {
        "standardize": "inputs",
        "mask_value": "inputs",
    },
    "Loss and regularisation": {
        "class_weight": "training",
        "loss": "numbers",
        "quantiles": "numbers",
        "mixup_alpha": "training",
        "l1": "training",
        "l2": "training",
    },
    "Optimisation": {
        "optimizer": "training",
        "learning_rate": "training",
        "lr_schedule": "training",
        "max_grad_norm": "training",
        "batch_size": "speed",
        "max_epochs": "training",
        "max_time": "time_limits",
    },
    "Validation and early stopping": {
        "early_stopping": "stopping",
        "validation_fraction": "stopping",
        "validation_interval": "stopping",
        "n_iter_no_change": "stopping",
        "tol": "stopping",
        "scoring": "curves",
        "return_train_score": "curves",
    },
    "Hardware": {
        "device": "gpu",
        "precision": "speed",
    },
    "Running and resuming": {
        "warm_start": "training",
        "checkpoint": "saving",
        "checkpoint_interval": "saving",
        "callbacks": "progress",
        "random_state": "reproducibility",
        "verbose": "progress",
    },
}
ESTIMATORS = ("sklstm.LSTMSequenceClassifier", "sklstm.LSTMSequenceRegressor")


def group_parameters(app, what, name, obj, options, lines):
    """Put headings and links into what numpydoc has made of the docstring."""
    if name not in ESTIMATORS:
        return
    for title, pages in GROUPS.items():
        named = [parameter for parameter in pages if row_of(lines, parameter) is not None]
        if not named:
            continue
        start = row_of(lines, named[0])
        lines[start:start] = [f"    .. rubric:: {title}", ""]
        for parameter in named:
            end = end_of(lines, row_of(lines, parameter))
            # A list needs a paragraph of its own after it.
            if lines[end - 1].lstrip().startswith("- ") or lines[end - 1].startswith(" " * 10):
                lines.insert(end, "")
                end += 1
            lines.insert(end, f"        See :doc:`/user_guide/{pages[parameter]}`.")


def row_of(lines, parameter):
    """Row of the name and the type of a parameter; None if there is none."""
    starts = (i for i, line in enumerate(lines) if line.startswith(f"    **{parameter}** :"))
    return next(starts, None)


def end_of(lines, row):
    """Row after the last one of the description that begins below a parameter's row."""
    end = row + 1
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" " * 8)):
        end += 1
    while not lines[end - 1].strip():
        end -= 1
    return end


def setup(app):
    # After numpydoc, which has the default of 500.
    app.connect("autodoc-process-docstring", group_parameters, priority=600)
    return {"parallel_read_safe": True}
