"""FastAPI + onnxruntime, as its tutorial has it: a function, which runs in the thread pool."""

from embedder import Embedder
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
embed = Embedder()


class Request(BaseModel):
    texts: list[str]


@app.get("/ready")
def ready():
    return {}


@app.post("/embed")
def answer(request: Request):
    return {"embeddings": embed(request.texts).tolist()}
