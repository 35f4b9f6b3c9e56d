"""A service that predicts: ``MODEL=trends.safetensors uvicorn app:app``."""

import os
from typing import Annotated

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, FailFast, Field

from sklstm import load_model, model_card

PATH = os.environ.get("MODEL", "model.safetensors")
MAX_SEQUENCES, MAX_TIMESTEPS = 1_000, 100_000

app = FastAPI()
model = load_model(PATH)  # once in each worker, or before the fork: gunicorn --preload
if model_card(PATH).get("task") != "classification":
    raise TypeError(f"{PATH} is no classifier with one label per sequence.")


# At least one timestep, each a list of at least one number. The first error ends the check.
Number = Annotated[float, Field(strict=True)]
Timestep = Annotated[list[Number], Field(min_length=1), FailFast()]
Sequence = Annotated[list[Timestep], Field(min_length=1), FailFast()]


class Question(BaseModel):
    sequences: Annotated[list[Sequence], Field(max_length=MAX_SEQUENCES), FailFast()]


class Answer(BaseModel):
    labels: list[str]
    probabilities: list[dict[str, float]]


# FastAPI's own answer repeats the input, which may be long, or NaN.
@app.exception_handler(RequestValidationError)
def refuse(request: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return JSONResponse({"detail": f"{place}: {first['msg']}"}, 422)


# No "async": FastAPI then calls it in a thread of its own, and other requests need not wait.
@app.post("/predict")
def predict(question: Question) -> Answer:
    X = question.sequences
    if sum(map(len, X)) > MAX_TIMESTEPS:
        raise HTTPException(413, f"At most {MAX_TIMESTEPS} timesteps.")
    try:
        probabilities = model.predict_proba(X)
    except ValueError as error:  # such as "X has 3 features, but ..."
        raise HTTPException(422, str(error)) from error
    classes = [str(label) for label in model.classes_]
    return Answer(
        labels=[classes[best] for best in probabilities.argmax(axis=1)],
        probabilities=[dict(zip(classes, row, strict=True)) for row in probabilities.tolist()],
    )


@app.get("/card")
def card() -> dict:
    return model_card(PATH)
