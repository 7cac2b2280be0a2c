import type { InputTensor, Signature } from "@modulehub/core";
import { expect, test } from "vitest";
import { itemsOf } from "./items.ts";

const signature: Signature = {
  inputs: { text: { dtype: "string", shape: ["batch"] } },
  outputs: { y: { dtype: "float32", shape: ["batch", 1] } },
  steps: [
    { tokenize: { from: "text", tokenizer: "tokenizer.json", as: "tokens" } },
    { run: { graph: "model.onnx", inputs: { ids: "tokens.ids" }, outputs: { y: "y" } } },
  ],
};
const texts = (count: number) => {
  const input: InputTensor = { dtype: "string", shape: [count], data: new Array<string>(count).fill("a") };
  return new Map([["text", input]]);
};

test("each text is an item of its own, up to as many as one request may have", () => {
  const { items, separate } = itemsOf(signature, texts(4096));
  expect(separate).toBe(true);
  expect(items).toHaveLength(4096);
  expect(() => itemsOf(signature, texts(4097))).toThrow(expect.objectContaining({ code: "invalid-request" }));
  expect(() => itemsOf(signature, texts(0))).toThrow(expect.objectContaining({ code: "tensor-invalid" }));
});
