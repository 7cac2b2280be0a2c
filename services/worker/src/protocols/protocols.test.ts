import { createConnection } from "node:net";
import { GraphBuilder } from "@modulehub/onnx";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { affine } from "../testing/graphs.ts";
import { plainSignature, type TestModule, testModule } from "../testing/modules.ts";
import { TOKEN, testWorker } from "../testing/test-worker.ts";

let worker: Awaited<ReturnType<typeof testWorker>>;
let numbers: TestModule;
let lengths: TestModule;
let colours: TestModule;

beforeAll(async () => {
  worker = await testWorker({ maxBodyBytes: 4 * 2 ** 20 });
  const row = { dtype: "float32" as const, shape: ["batch", 3] };
  numbers = worker.source.add(testModule(affine(), { signatures: plainSignature(row, row) }));
  lengths = worker.source.add(wordCounter());
  colours = worker.source.add(colourClassifier());
});
afterAll(async () => {
  await worker.end();
});

/** Texts → [words, 1]: a text-embedding whose vectors can be told by counting. */
function wordCounter(): TestModule {
  const g = new GraphBuilder({ name: "words" });
  const [, counts] = g.nodes("StringSplit", [g.input("text", "string", ["batch"])], { delimiter: "" }, 2);
  const words = g.unsqueeze(g.cast(counts!, { to: 1 }), g.ints([1]));
  const one = g.add(g.mul(words, g.scalar(0)), g.scalar(1));
  g.output("default", g.concat([words, one], { axis: 1 }));
  return testModule(
    g.toBytes(),
    {
      task: "text-embedding",
      signatures: {
        default: {
          inputs: { text: { dtype: "string", shape: ["batch"] } },
          outputs: { default: { dtype: "float32", shape: ["batch", 2] } },
        },
      },
    },
    {},
    { default: { inputs: { text: 0 }, outputs: { default: 0 }, pad: {} } },
  );
}

/** Photos → red, green or blue, by the mean of each channel. */
function colourClassifier(): TestModule {
  const g = new GraphBuilder({ name: "colours" });
  const pixels = g.input("pixels", "float32", ["batch", 3, 8, 8]);
  g.output("means", g.mul(g.reduceMean(pixels, g.ints([2, 3]), { keepdims: 0 }), g.scalar(10)));
  return testModule(
    g.toBytes(),
    {
      task: "image-classification",
      signatures: {
        default: {
          inputs: { image: { dtype: "image", shape: ["batch"] } },
          outputs: {
            "class.labels": { dtype: "string", shape: ["batch", 3] },
            "class.scores": { dtype: "float32", shape: ["batch", 3] },
          },
          steps: [
            { image: { from: "image", resize: { width: 8, height: 8, fit: "fill" }, as: "pixels" } },
            { run: { graph: "model.onnx", inputs: { pixels: "pixels" }, outputs: { means: "means" } } },
            { softmax: { from: "means", as: "probabilities" } },
            { labels: { from: "probabilities", labels: "labels.txt", as: "class" } },
          ],
        },
      },
    },
    { "labels.txt": Buffer.from("red\ngreen\nblue\n") },
  );
}

const photo = (colour: string, format: "jpeg" | "png" | "webp" = "png"): Promise<Buffer> =>
  sharp({ create: { width: 20, height: 10, channels: 3, background: colour } })
    [format]()
    .toBuffer();

describe("infer in JSON", () => {
  const cases: [string, unknown, string][] = [
    ["an input that is missing", { inputs: {} }, "input-missing"],
    ["an input that the signature lacks", { inputs: { x: [[1, 2, 3]], z: [1] } }, "input-unknown"],
    ["an output that it lacks", { inputs: { x: [[1, 2, 3]] }, outputs: ["z"] }, "output-unknown"],
    ["a signature that the module lacks", { signature: "other", inputs: {} }, "signature-unknown"],
    ["a name like __proto__", JSON.parse('{"inputs":{"__proto__":[1]}}'), "input-unknown"],
    ["another rank", { inputs: { x: [1, 2, 3] } }, "tensor-invalid"],
    ["another size", { inputs: { x: [[1, 2]] } }, "tensor-invalid"],
    ["ragged rows", { inputs: { x: [[1, 2, 3], [1]] } }, "tensor-invalid"],
    [
      "another dtype",
      { inputs: { x: { dtype: "int64", shape: [1, 3], data: [1, 2, 3] } } },
      "tensor-invalid",
    ],
    ["no inputs at all", {}, "invalid-request"],
    ["a body that is no object", [1], "invalid-request"],
  ];
  for (const [name, body, code] of cases)
    test(`${name} is refused as ${code}`, async () => {
      const answer = await worker.post("/v1/infer", numbers, body);
      expect(answer.headers["content-type"]).toBe("application/problem+json");
      expect(answer.json()).toMatchObject({ code, status: answer.statusCode });
      expect(answer.statusCode).toBeLessThan(500);
    });

  const send = (payload: string | Buffer, type = "application/json") =>
    worker.app.inject({
      method: "POST",
      url: "/v1/infer",
      headers: { ...worker.headers(numbers), "content-type": type },
      payload,
    });

  test("names like __proto__ are refused wherever a body is read and whichever form it has", async () => {
    const x = Array.from({ length: 40_000 }, (_, index) => [index, 0.5, -index]);
    const unknownInput = {
      code: "input-unknown",
      detail: "The signature has no input __proto__; it has x.",
    };
    const unknownOutput = {
      code: "output-unknown",
      detail: "The signature has no output __proto__; it has y.",
    };
    const inThread = `{"inputs":{"x":${JSON.stringify(x)},"__proto__":[[1,2,3]]}}`;
    expect((await send(inThread)).json()).toMatchObject(unknownInput);
    const outputs = '{"inputs":{"x":[[1,2,3]]},"outputs":["__proto__"]}';
    expect((await send(outputs)).json()).toMatchObject(unknownOutput);
    const binary = async (header: object) => {
      const json = Buffer.from(JSON.stringify(header));
      const answer = await worker.app.inject({
        method: "POST",
        url: "/v1/infer",
        headers: { ...worker.headers(numbers), "inference-header-content-length": String(json.byteLength) },
        payload: json,
      });
      return answer.json();
    };
    const input = { shape: [1, 3], datatype: "FP32", data: [1, 2, 3] };
    expect(await binary({ inputs: [{ ...input, name: "__proto__" }] })).toMatchObject({
      code: "input-unknown",
    });
    const asked = { inputs: [{ ...input, name: "x" }], outputs: [{ name: "__proto__" }] };
    expect(await binary(asked)).toMatchObject(unknownOutput);
  });

  test("JSON that is broken, or nested without end, is refused and the worker lives on", async () => {
    expect((await send('{"inputs":')).json()).toMatchObject({ code: "invalid-json" });
    const deep = `{"inputs":{"x":${"[".repeat(100_000)}${"]".repeat(100_000)}}}`;
    expect((await send(deep)).json()).toMatchObject({ code: "tensor-invalid" });
    const deeper = `{"inputs":{"x":${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}}}`;
    expect((await send(deeper)).statusCode).toBe(422);
    expect((await worker.post("/v1/infer", numbers, { inputs: { x: [[1, 2, 3]] } })).statusCode).toBe(200);
  });

  test("a large body is read apart from the worker's own thread and answered as any other", async () => {
    const x = Array.from({ length: 40_000 }, (_, index) => [index, 0.5, -index]);
    const answer = await worker.post("/v1/infer", numbers, { inputs: { x } });
    expect(answer.statusCode).toBe(200);
    const { shape, data } = answer.json().outputs.y;
    expect(shape).toEqual([40_000, 3]);
    expect(data.slice(-3)).toEqual([2 * 39_999 + 1, 2, -2 * 39_999 + 1]);
  });

  test("outputs that are too large for JSON are refused, and given in binary", async () => {
    const count = 700_000;
    const bytes = Buffer.from(new Float32Array(count * 3).fill(1).buffer);
    const header = (numbers: boolean) => ({
      inputs: [
        {
          name: "x",
          shape: [count, 3],
          datatype: "FP32",
          parameters: { binary_data_size: bytes.byteLength },
        },
      ],
      outputs: [{ name: "y", parameters: { binary_data: !numbers } }],
    });
    const large = await testWorker();
    large.source.add(numbers);
    const ask = (numbersWanted: boolean) => {
      const json = Buffer.from(JSON.stringify(header(numbersWanted)));
      return large.app.inject({
        method: "POST",
        url: "/v1/infer",
        headers: { ...large.headers(numbers), "inference-header-content-length": String(json.byteLength) },
        payload: Buffer.concat([json, bytes]),
      });
    };
    expect((await ask(true)).json()).toMatchObject({ code: "answer-too-large", status: 422 });
    const answer = await ask(false);
    expect(answer.statusCode).toBe(200);
    expect(answer.rawPayload.readFloatLE(answer.rawPayload.byteLength - 4)).toBe(3);
    await large.end();
  });

  test("another content type is refused", async () => {
    expect((await send("x", "text/plain")).json()).toMatchObject({
      code: "unsupported-media-type",
      status: 415,
    });
  });

  test("a request's id is taken over and given back, also in problems", async () => {
    const answer = await worker.app.inject({
      method: "POST",
      url: "/v1/infer",
      headers: { ...worker.headers(numbers), "content-type": "application/json", "x-request-id": "abc-123" },
      payload: "{}",
    });
    expect(answer.headers["x-request-id"]).toBe("abc-123");
    expect(answer.json()).toMatchObject({ requestId: "abc-123" });
  });

  test("a version that the hub doesn't have is not found", async () => {
    const unknown = { ...numbers, digest: `sha256:${"0".repeat(64)}` as typeof numbers.digest };
    expect((await worker.post("/v1/infer", unknown, { inputs: {} })).json()).toMatchObject({
      code: "version-not-found",
    });
  });
});

test("a body beyond the limit is refused while it is being sent, not after", async () => {
  const url = new URL(await worker.app.listen({ port: 0, host: "127.0.0.1" }));
  const socket = createConnection(Number(url.port), "127.0.0.1");
  const fields = Object.entries({ ...worker.headers(numbers), "content-type": "application/json" });
  socket.write(
    `POST /v1/infer HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n${fields.map(([k, v]) => `${k}: ${v}\r\n`).join("")}\r\n`,
  );
  let sent = 0;
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk.toString();
  });
  socket.on("error", () => undefined);
  const piece = `10000\r\n${"[".repeat(0x10000)}\r\n`;
  while (!answer && sent < 64 * 2 ** 20) {
    sent += 0x10000;
    socket.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  socket.destroy();
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(answer).toContain("body-too-large");
  expect(sent).toBeLessThan(32 * 2 ** 20);
});

describe("infer in binary", () => {
  const send = (header: unknown, bytes: Uint8Array, extra: Record<string, string> = {}) => {
    const json = Buffer.from(JSON.stringify(header));
    return worker.app.inject({
      method: "POST",
      url: "/v1/infer",
      headers: {
        ...worker.headers(numbers),
        "content-type": "application/octet-stream",
        "inference-header-content-length": String(json.byteLength),
        ...extra,
      },
      payload: Buffer.concat([json, bytes]),
    });
  };
  const x = { name: "x", shape: [1, 3], datatype: "FP32", parameters: { binary_data_size: 12 } };
  const bytes = new Uint8Array(Float32Array.of(1, 2, 3).buffer);

  test("tensors' bytes come and go after a JSON header", async () => {
    const answer = await send({ id: "7", inputs: [x] }, bytes);
    expect(answer.statusCode).toBe(200);
    const length = Number(answer.headers["inference-header-content-length"]);
    expect(JSON.parse(answer.rawPayload.subarray(0, length).toString())).toMatchObject({
      id: "7",
      model_name: "test/module",
      model_version: "1",
      outputs: [{ name: "y", shape: [1, 3], datatype: "FP32", parameters: { binary_data_size: 12 } }],
    });
    const body = answer.rawPayload.subarray(length);
    expect([0, 4, 8].map((offset) => body.readFloatLE(offset))).toEqual([3, 5, 7]);
  });

  test("more rows than one request may have are refused where they would be cut, before they are", async () => {
    const row = { dtype: "float32" as const, shape: ["batch", 3] };
    const batching = { default: { inputs: { x: 0 }, outputs: { y: 0 }, pad: {} } };
    const manifest = { task: "proven", signatures: plainSignature(row, row) };
    const proven = worker.source.add(testModule(affine(), manifest, {}, batching));
    const rows = (count: number, { digest }: TestModule) => {
      const parameters = { binary_data_size: count * 12 };
      const input = { ...x, shape: [count, 3], parameters };
      return send({ inputs: [input] }, Buffer.alloc(count * 12), { "modulehub-digest": digest });
    };
    expect((await rows(4096, proven)).statusCode).toBe(200);
    const refused = await rows(4097, proven);
    expect(refused.json()).toMatchObject({ code: "invalid-request", status: 400 });
    expect((await rows(4097, numbers)).statusCode).toBe(200);
  });

  test("an output can be asked for as numbers", async () => {
    const outputs = [{ name: "y", parameters: { binary_data: false } }];
    const answer = await send({ inputs: [x], outputs }, bytes);
    expect(JSON.parse(answer.payload)).toMatchObject({ outputs: [{ name: "y", data: [3, 5, 7] }] });
  });

  test("sizes that don't fit are refused", async () => {
    expect((await send({ inputs: [x] }, bytes.subarray(1))).json()).toMatchObject({ code: "tensor-invalid" });
    expect((await send({ inputs: [x] }, Buffer.concat([bytes, bytes]))).json()).toMatchObject({
      code: "tensor-invalid",
    });
    const beyond = { "inference-header-content-length": "999999" };
    expect((await send({ inputs: [x] }, bytes, beyond)).json()).toMatchObject({ code: "invalid-request" });
  });
});

describe("embed", () => {
  test("one text or several give a vector each", async () => {
    const one = await worker.post("/v1/embed", lengths, { inputs: "three short words" });
    expect(one.json()).toEqual({ embeddings: [[3, 1]], model: "test/module", version: 1 });
    const several = await worker.post("/v1/embed", lengths, { inputs: ["a b", "", "one"] });
    expect(several.json().embeddings).toEqual([
      [2, 1],
      [0, 1],
      [1, 1],
    ]);
  });

  test("texts whose body is large give a vector each too, and what is wrong with it is told", async () => {
    const long = "manywords ".repeat(40_000);
    const answer = await worker.post("/v1/embed", lengths, { inputs: ["a b", long, ""] });
    expect(answer.json().embeddings).toEqual([
      [2, 1],
      [40_000, 1],
      [0, 1],
    ]);
    const answers = await Promise.all([
      worker.post("/v1/embed", lengths, { inputs: [long, 1] }),
      worker.post("/v1/embed", lengths, { inputs: [`${long}\0`] }),
      worker.post("/v1/embed", numbers, { inputs: long }),
      worker.post("/v1/infer", numbers, { inputs: { x: long } }),
      worker.post("/v1/infer", lengths, { inputs: { text: [long], more: [1] } }),
    ]);
    expect(answers.map((refused) => refused.json().code)).toEqual([
      "invalid-request",
      "tensor-invalid",
      "task-mismatch",
      "tensor-invalid",
      "input-unknown",
    ]);
  });

  test("what isn't texts, or a module that doesn't embed, is refused", async () => {
    expect((await worker.post("/v1/embed", lengths, { inputs: [1] })).json()).toMatchObject({
      code: "invalid-request",
    });
    expect((await worker.post("/v1/embed", lengths, { inputs: [] })).json()).toMatchObject({
      code: "invalid-request",
    });
    expect((await worker.post("/v1/embed", numbers, { inputs: "x" })).json()).toMatchObject({
      code: "task-mismatch",
    });
    const image = { inputs: { b64: (await photo("red")).toString("base64") } };
    expect((await worker.post("/v1/embed", lengths, image)).json()).toMatchObject({ code: "task-mismatch" });
  });
});

describe("classify", () => {
  const send = async (payload: Buffer | FormData, type?: string, query = "") => {
    const response = payload instanceof FormData ? new Response(payload) : undefined;
    return worker.app.inject({
      method: "POST",
      url: `/v1/classify${query}`,
      headers: {
        ...worker.headers(colours),
        "content-type": type ?? response?.headers.get("content-type") ?? "",
      },
      payload: response ? Buffer.from(await response.arrayBuffer()) : (payload as Buffer),
    });
  };
  const best = (answer: { json(): { results: { label: string }[][] } }) =>
    answer.json().results.map(([first]) => first?.label);

  test("photos in base64, as a raw body and as a form are named alike", async () => {
    const inputs = [
      { b64: (await photo("red")).toString("base64") },
      { b64: (await photo("blue")).toString("base64") },
    ];
    const json = await worker.post("/v1/classify", colours, { inputs, topK: 2 });
    expect(best(json)).toEqual(["red", "blue"]);
    expect(json.json().results[0]).toHaveLength(2);
    for (const format of ["jpeg", "png", "webp"] as const)
      expect(best(await send(await photo("lime", format), `image/${format}`))).toEqual(["green"]);
    const form = new FormData();
    for (const colour of ["blue", "red", "lime"])
      form.append(
        "file",
        new Blob([new Uint8Array(await photo(colour))], { type: "image/png" }),
        `${colour}.png`,
      );
    form.append("topK", "1");
    const answer = await send(form);
    expect(best(answer)).toEqual(["blue", "red", "green"]);
    expect(answer.json().results[0]).toHaveLength(1);
  });

  test("photos in a large JSON body are named alike, as many labels as were asked for", async () => {
    const photos = await Promise.all(["red", "blue", "lime"].map((colour) => photo(colour)));
    const inputs = Array.from({ length: 2_400 }, (_, at) => ({ b64: photos[at % 3]!.toString("base64") }));
    expect(JSON.stringify({ inputs }).length).toBeGreaterThan(256 * 1024);
    const answer = await worker.post("/v1/classify", colours, { inputs, topK: 2 });
    const named = ["red", "blue", "green"];
    expect(best(answer)).toEqual(inputs.map((_, at) => named[at % 3]));
    expect(answer.json().results[0]).toHaveLength(2);
  });

  test("scores are best first and sum to one", async () => {
    const [scores] = (await send(await photo("red"), "image/png")).json().results;
    const values = scores.map(({ score }: { score: number }) => score);
    expect(values).toEqual(values.toSorted((a: number, b: number) => b - a));
    expect(values.reduce((a: number, b: number) => a + b)).toBeCloseTo(1, 5);
  });

  test("what is no photo is refused", async () => {
    expect((await send(Buffer.from("not a photo"), "image/png")).json()).toMatchObject({
      code: "image-invalid",
    });
    expect((await send(await photo("red"), "image/gif")).json()).toMatchObject({
      code: "unsupported-media-type",
    });
    expect((await send(Buffer.from("x"), "multipart/form-data; boundary=y")).json()).toMatchObject({
      code: "invalid-request",
    });
  });
});

test("metrics tell of queues, batches, engines and refusals", async () => {
  const answer = await worker.app.inject({ url: "/metrics", headers: { authorization: `Bearer ${TOKEN}` } });
  for (const name of [
    "queued_items",
    "batch_items",
    "compute_seconds",
    "engine_bytes",
    "engine_crashes_total",
    "problems_total",
  ])
    expect(answer.payload).toContain(`modulehub_worker_${name}`);
});
