"""BentoML with its adaptive batching."""

import bentoml
import numpy as np
from embedder import Embedder


@bentoml.service(traffic={"timeout": 60})
class Texts:
    def __init__(self):
        self.embedder = Embedder()

    # It answers 503 to what it expects to take longer than this, and is to be measured, not to refuse.
    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=60_000)
    def embed(self, texts: list[str]) -> np.ndarray:
        return self.embedder(texts)
