"""A service that predicts: ``MODEL=trends.safetensors uvicorn app:app``."""

import os
from typing import Annotated

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from sklstm import load_model, model_card

PATH = os.environ.get("MODEL", "model.safetensors")
MAX_SEQUENCES, MAX_TIMESTEPS = 1_000, 100_000

app = FastAPI()
model = load_model(PATH)  # once in each worker, or before the fork: gunicorn --preload


# A list of timesteps, at least one, each a list of features.
Sequence = Annotated[list[list[float]], Field(min_length=1)]


class Question(BaseModel):
    sequences: list[Sequence]


class Answer(BaseModel):
    labels: list[str]
    probabilities: list[dict[str, float]]


# No "async": FastAPI then calls it in a thread of its own, and other requests need not wait.
@app.post("/predict")
def predict(question: Question) -> Answer:
    X = question.sequences
    if len(X) > MAX_SEQUENCES or sum(map(len, X)) > MAX_TIMESTEPS:
        raise HTTPException(413, f"At most {MAX_SEQUENCES} sequences, {MAX_TIMESTEPS} timesteps.")
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
