"""MLServer with a runtime of one's own, and its adaptive batching (model-settings.json)."""

from embedder import Embedder
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Texts(MLModel):
    async def load(self) -> bool:
        self.embedder = Embedder()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        texts = StringCodec.decode_input(payload.inputs[0])
        output = NumpyCodec.encode_output("vectors", self.embedder(texts))
        return InferenceResponse(model_name=self.name, outputs=[output])
