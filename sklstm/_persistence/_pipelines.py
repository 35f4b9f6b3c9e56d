"""Conversion of pipelines of the package's own steps to plain values, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklstm._base import BaseSequenceEstimator, n_features_of
from sklstm._files._container import MALFORMED
from sklstm._persistence._checks import Check, are_texts, check_items, is_bool
from sklstm._persistence._estimators import ESTIMATORS, TASKS
from sklstm._persistence._transformers import (
    TRANSFORMERS,
    build_transformer,
    describe_transformer,
)
from sklstm.preprocessing._base import widths_of
from sklstm.preprocessing._tokens import TokenEncoder

# Content of a file, names of the parameters left out of it, and of the attributes.
Description = tuple[dict[str, Any], list[str], list[str]]
# Names that a step cannot have, since they are the pipeline's own parameters.
RESERVED = {"memory", "steps", "transform_input", "verbose"}
SKOPS = (
    "Save it with skops: skops.io.dump(model, path), then skops.io.load(path,"
    " trusted=[*sklstm.SKOPS_TRUSTED, ...]) with the other types that it names."
)


def describe_pipeline(
    pipeline: Pipeline, describe_estimator: Callable[[Any], Description]
) -> Description:
    """The pipeline as plain values; TypeError or ValueError if a step cannot be one."""
    check_steps(pipeline)
    steps, parameters, others = [], [], []
    for name, step in pipeline.steps:
        described, lost, unknown = _describe_step(name, step, describe_estimator)
        steps.append({"name": name, **described})
        parameters += [f"{name}__{parameter}" for parameter in lost]
        others += [f"{name}.{attribute}" for attribute in unknown]
    check_agreement(pipeline)
    settings = {name: getattr(pipeline, name) for name in SETTINGS}
    return {"steps": steps, "pipeline": settings}, parameters, others


def build_pipeline(
    content: Mapping[str, Any],
    build_estimator: Callable[[Mapping[str, Any]], Any],
) -> Pipeline:
    """The pipeline that was described; one of MALFORMED if there is none."""
    check_items(content, CONTENT)
    steps = []
    for described in content["steps"]:
        rest = {key: value for key, value in described.items() if key != "name"}
        steps.append((described["name"], _build_step(rest, build_estimator)))
    pipeline = Pipeline(steps, **content["pipeline"])
    check_steps(pipeline)
    check_agreement(pipeline)
    return pipeline


def check_steps(pipeline: Pipeline) -> None:
    """Raise unless each step is one that a file can hold, under a name that scikit-learn takes."""
    if not isinstance(pipeline.steps, list) or not pipeline.steps:
        raise ValueError("A pipeline needs a list of at least one step.")
    _check_names([name for name, _ in pipeline.steps])
    if pipeline.memory is not None:
        raise ValueError(
            "A model file holds no path and no cache. Got a pipeline with"
            f" memory={pipeline.memory!r:.60}.\n\nLeave it out: pipeline.set_params(memory=None)."
        )
    last = len(pipeline.steps) - 1
    for index, (name, step) in enumerate(pipeline.steps):
        is_last = type(step) in TASKS and index == last
        is_transformer = type(step) in TRANSFORMERS.values()
        if not (is_last or is_transformer or _is_passed_through(step)):
            raise TypeError(
                f"save_model takes pipelines of {', '.join(TRANSFORMERS)}, in any number, and an"
                f" {' or '.join(ESTIMATORS)} as the last step. Step {name!r} is an instance of"
                f" {type(step).__name__}.\n\n{SKOPS}"
            )
        if isinstance(step, TokenEncoder) and callable(step.analyzer):
            raise TypeError(
                f"A model file holds no code, and step {name!r} has a function as 'analyzer'.\n\n"
                "Cut the texts into tokens before the pipeline, which takes lists of tokens, and"
                " leave analyzer as it is; or keep the pipeline with pickle or joblib."
            )


def check_agreement(pipeline: Pipeline) -> None:
    """Raise ValueError if a step gives another number of features than the next one takes."""
    steps = [step for _, step in pipeline.steps if not _is_passed_through(step)]
    for before, after in pairwise(steps):
        if isinstance(after, TokenEncoder):
            raise ValueError("A TokenEncoder takes texts, so it must be the first step.")
        given, taken = _widths_of(before), _taken_by(after)
        if given is not None and taken is not None and given[1] != taken:
            raise ValueError(
                f"{type(after).__name__} takes {taken} features at each timestep, and"
                f" {type(before).__name__} before it gives {given[1]}.\n\nFit the pipeline again."
            )


def _describe_step(
    name: str, step: Any, describe_estimator: Callable[[Any], Description]
) -> Description:
    if _is_passed_through(step):
        return {"class": step}, [], []
    if type(step) in TASKS:
        content, parameters, others = describe_estimator(step)
        return content, parameters, others
    check_is_fitted(step)
    try:
        content, others = describe_transformer(step)
    except MALFORMED as error:
        raise ValueError(f"Step {name!r} is not as a fit leaves it: {error}") from error
    return content, [], others


def _build_step(described: Mapping[str, Any], build_estimator: Callable[..., Any]) -> Any:
    name = described["class"]
    if _is_passed_through(name) and len(described) == 1:
        return name
    if name in ESTIMATORS:
        return build_estimator(described)
    return build_transformer(described)


def _is_passed_through(step: Any) -> bool:
    return step is None or (isinstance(step, str) and step == "passthrough")


def _check_names(names: list[Any]) -> None:
    """As scikit-learn does before it fits."""
    if not are_texts(names) or len(set(names)) < len(names):
        raise ValueError(f"The names of steps must be different texts. Got {names!r:.100} instead.")
    wrong = [name for name in names if "__" in name or name in RESERVED]
    if wrong:
        raise ValueError(f"A step cannot have the name {wrong[0]!r:.100}.")


def _taken_by(step: Any) -> int | None:
    """Features of a timestep that a step takes; None if they are token ids."""
    if isinstance(step, BaseSequenceEstimator):
        return n_features_of(step)
    widths = _widths_of(step)
    return None if widths is None else widths[0]


def _widths_of(step: Any) -> tuple[int, int] | None:
    """Features of a timestep that a transformer takes and gives; None if it takes texts."""
    return None if isinstance(step, TokenEncoder) else widths_of(step)


SETTINGS: dict[str, Check] = {
    "verbose": is_bool,
    "transform_input": lambda value: value is None or are_texts(value),
}
CONTENT: dict[str, Check] = {
    "versions": lambda value: True,
    "steps": lambda value: isinstance(value, list),
    "pipeline": partial(check_items, checks=SETTINGS),
}
