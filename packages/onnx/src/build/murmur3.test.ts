import fc from "fast-check";
import { expect, test } from "vitest";
import { GraphBuilder } from "../graph-builder.ts";
import { numbers, runModel, texts } from "../test-runtime.ts";
import { murmur3 } from "./murmur3.ts";

test("hashes are those of the published table", () => {
  // Source: Wikipedia, "MurmurHash", section "Test vectors" (as of 2025), made with the original C++.
  const vectors: [string, number, number][] = [
    ["", 0, 0],
    ["", 1, 0x514e28b7],
    ["", 0xffffffff, 0x81f16f39],
    ["test", 0, 0xba6bd213],
    ["test", 0x9747b28c, 0x704b81dc],
    ["Hello, world!", 0, 0xc0363e43],
    ["Hello, world!", 0x9747b28c, 0x24884cba],
    ["The quick brown fox jumps over the lazy dog", 0, 0x2e4ff723],
    ["The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2fa826cd],
  ];
  for (const [text, seed, hash] of vectors) expect(murmur3(Buffer.from(text), seed)).toBe(hash);
});

test("hashes are those of ONNX Runtime's operator, for words of every length and script", async () => {
  const g = new GraphBuilder({ opset: 20 });
  g.output("hash", g.murmurHash3(g.input("word", "string", ["n"]), { positive: 1, seed: 0 }));
  const model = g.toBytes();
  const word = fc.string({ unit: "grapheme", maxLength: 20 }).filter((text) => !text.includes("\0"));
  await fc.assert(
    fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 50 }), async (words) => {
      const { hash } = await runModel(model, { word: texts(words) });
      expect(numbers(hash)).toEqual(words.map((text) => murmur3(Buffer.from(text, "utf8"))));
    }),
    { numRuns: 20 },
  );
});
