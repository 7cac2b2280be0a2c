import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type JobMessage, type JobTask, problem } from "@modulehub/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { jobWorker, trainTask } from "../testing/job-worker.ts";
import { temporaryFolder } from "../testing/modules.ts";
import { sentenceTransformer, wordVectors } from "../testing/text-modules.ts";

let worker: Awaited<ReturnType<typeof jobWorker>>;
beforeAll(async () => {
  worker = await jobWorker();
}, 60_000);
afterAll(() => worker.end());

/** Texts of cats and texts of dogs, which word vectors tell apart. */
const rows = Array.from({ length: 60 }, (_, row) => {
  const [word, label] = row % 2 === 0 ? ["cat", "feline"] : ["dog", "canine"];
  return `${Array.from({ length: 1 + (row % 5) }, () => word).join(" ")} sat ${row},${label}`;
});
const CSV = `text,label\n${rows.join("\n")}\n`;
const READING = { format: "csv", split: { test: 0.3, validation: 0.2, seed: 1 } } as const;
const SETTINGS = {
  steps: 60,
  batch: 8,
  learningRate: 0.05,
  head: { hidden: [8] },
  checkpointEvery: 10,
  seed: 3,
};

const messagesOf = <K extends JobMessage["message"]>(all: JobMessage[], kind: K) =>
  all.filter((message): message is Extract<JobMessage, { message: K }> => message.message === kind);
const problemOf = async (task: JobTask, secondsLeft?: number) =>
  messagesOf(await worker.wholeOf(task, secondsLeft), "problem")[0]?.problem;

test("a head is trained, and base and head become one module that the worker serves", async () => {
  const base = worker.source.add(wordVectors());
  const all = await worker.wholeOf(
    trainTask(base, worker.data(CSV, READING), SETTINGS, { card: { title: "Pets", license: "mit" } }),
  );
  const result = all.at(-1);
  if (result?.message !== "result") throw new Error(JSON.stringify(result));
  expect(result.result).toMatchObject({
    kind: "train",
    features: 2,
    steps: 60,
    evaluations: { train: { accuracy: 1 }, test: { accuracy: 1, classes: [{ label: "canine" }, {}] } },
  });
  const stages = messagesOf(all, "progress").map(({ progress }) => progress.stage);
  expect([...new Set(stages)]).toEqual([
    "fetching",
    "reading",
    "embedding",
    "training",
    "evaluating",
    "composing",
  ]);
  expect(messagesOf(all, "report")[0]?.report).toMatchObject({ examples: 60, kind: "text" });
  expect(messagesOf(all, "log").at(-1)?.text).toMatch(/^The composed module gives the scores .* on 1[5-6]/);
  expect(result.files.map(({ path }) => path).sort()).toEqual([
    "README.md",
    "labels.txt",
    "model.onnx",
    "module.json",
  ]);
  const made = worker.madeModule(result);
  const answer = await worker.post("/v1/classify", made, { inputs: ["a cat", "the dog sat"] });
  expect(answer.statusCode).toBe(200);
  expect(answer.json().results.map(([best]: { label: string }[]) => best!.label)).toEqual([
    "feline",
    "canine",
  ]);
}, 60_000);

test("a base with a tokenizer and pooling is composed with both", async () => {
  const base = worker.source.add(sentenceTransformer());
  const { files, result } = await worker.resultOf(
    trainTask(base, worker.data(CSV, READING), { ...SETTINGS, head: { standardize: true } }, { card: {} }),
  );
  expect(result).toMatchObject({ features: 32 });
  expect(files.map(({ path }) => path)).toContain("tokenizer.json");
  const made = worker.madeModule({ files });
  const answer = await worker.post("/v1/classify", made, { inputs: ["a cat sat", "a dog"] });
  expect(answer.json().results).toHaveLength(2);
}, 60_000);

test("a run that was killed goes on from its last checkpoint to the same bits", async () => {
  const base = worker.source.add(wordVectors());
  const dataSet = worker.data(CSV, READING);
  const settings = { ...SETTINGS, steps: 400, head: { hidden: [16, 8], dropout: 0.3 }, patience: 50 };
  const card = { title: "Twice" };
  const whole = await worker.resultOf(trainTask(base, dataSet, settings, { card }));
  let last: Extract<JobTask, { kind: "train" }>["checkpoint"];
  // Closing the connection kills the process, wherever it is.
  for await (const message of worker.work(trainTask(base, dataSet, settings, { card })))
    if (message.message === "checkpoint") {
      last = message.checkpoint;
      if (last.step >= 100) break;
    }
  expect(last?.step).toBeGreaterThanOrEqual(100);
  expect(last?.step).toBeLessThan(400);
  const all = await worker.wholeOf(trainTask(base, dataSet, settings, { card, checkpoint: last! }));
  expect(messagesOf(all, "log")[0]?.text).toBe(`Goes on from step ${last!.step}.`);
  const resumed = messagesOf(all, "result")[0]!;
  expect(resumed.files).toEqual(whole.files);
  const { seconds: _, ...figures } = whole.result;
  expect(resumed.result).toMatchObject(figures);
}, 120_000);

test("a base's own tables are trained with the head", async () => {
  const base = worker.source.add(wordVectors());
  const { result, files } = await worker.resultOf(
    trainTask(base, worker.data(CSV, READING), { ...SETTINGS, trainable: true }, { card: {} }),
  );
  expect(result).toMatchObject({ evaluations: { test: { accuracy: 1 } } });
  const graph = (list: typeof files) => list.find(({ path }) => path === "model.onnx")!.digest;
  const frozen = await worker.resultOf(trainTask(base, worker.data(CSV, READING), SETTINGS, { card: {} }));
  expect(graph(files)).not.toBe(graph(frozen.files));
  const answer = await worker.post("/v1/classify", worker.madeModule({ files }), { inputs: ["a cat"] });
  expect(answer.json().results[0][0].label).toBe("feline");
}, 60_000);

test("embeddings are made once for a module, a data set and a reading", async () => {
  const base = worker.source.add(wordVectors());
  const dataSet = worker.data(`${CSV}cat sat again,feline\n`, READING);
  const first = await worker.wholeOf(trainTask(base, dataSet, SETTINGS));
  expect(messagesOf(first, "progress").some(({ progress }) => progress.stage === "embedding")).toBe(true);
  const again = await worker.wholeOf(trainTask(base, dataSet, { ...SETTINGS, seed: 4 }));
  expect(messagesOf(again, "progress").some(({ progress }) => progress.stage === "embedding")).toBe(false);
  expect(messagesOf(again, "result")).toHaveLength(1);
  const others = await readdir(join(worker.folder, "embeddings"));
  expect(others.every((name) => /^[0-9a-f]{64}$/.test(name))).toBe(true);
  expect(await readdir(join(worker.folder, "jobs"))).toEqual([]);
}, 60_000);

test("several labels at once, and numbers, are learned by other outputs", async () => {
  const base = worker.source.add(wordVectors());
  const labels = `text,label\n${rows.map((row, at) => row.replace(/,.*/, at % 3 === 0 ? ',"cat,third"' : ",cat")).join("\n")}\n`;
  const several = await worker.resultOf(
    trainTask(
      base,
      worker.data(labels, { ...READING, target: "labels" }),
      { ...SETTINGS, head: { output: "sigmoid" } },
      { card: {} },
    ),
  );
  expect(several.result).toMatchObject({ evaluations: { train: { target: "labels" } } });
  const answer = await worker.post("/v1/classify", worker.madeModule(several), { inputs: ["cat"] });
  const [[best]] = answer.json().results;
  expect(best.label).toBe("cat");
  const numbers = `text,label\n${rows.map((row) => row.replace(/,.*/, `,${row.startsWith("cat") ? 1 : -1}`)).join("\n")}\n`;
  const regression = await worker.resultOf(
    trainTask(
      base,
      worker.data(numbers, { ...READING, target: "number" }),
      { ...SETTINGS, steps: 400, head: { output: "linear", hidden: [8] } },
      { card: {} },
    ),
  );
  if (regression.result.kind !== "train") throw new Error("another result");
  const { test: evaluation } = regression.result.evaluations;
  expect(evaluation?.target === "number" && evaluation.rootMeanSquaredError).toBeLessThan(0.2);
  const said = await worker.post("/v1/infer", worker.madeModule(regression), {
    inputs: { text: ["cat sat"] },
  });
  expect(said.json().outputs.default.data[0]).toBeGreaterThan(0.5);
}, 120_000);

test.each<[string, string, (base: ReturnType<typeof wordVectors>) => JobTask]>([
  [
    "a learning rate that diverges",
    "training-diverged",
    (base) =>
      trainTask(base, worker.data(CSV, READING), {
        ...SETTINGS,
        head: { output: "softmax", hidden: [8, 8] },
        optimizer: { name: "sgd" },
        learningRate: 1e30,
      }),
  ],
  [
    "one class",
    "data-one-class",
    (base) => trainTask(base, worker.data("text,label\na,x\nb,x\n", READING), SETTINGS),
  ],
  [
    "a column that isn't there",
    "data-column-missing",
    (base) => trainTask(base, worker.data(CSV, { ...READING, columns: { label: "sentiment" } }), SETTINGS),
  ],
  [
    "a class without examples",
    "data-class-empty",
    (base) => trainTask(base, worker.data(`${CSV},bovine\n`, READING), SETTINGS),
  ],
  [
    "classes that differ between train and test",
    "data-classes-differ",
    (base) => {
      const csv = "text,label,split\ncat,feline,train\ndog,canine,train\ncow,bovine,test\n";
      return trainTask(base, worker.data(csv, { format: "csv" }), SETTINGS);
    },
  ],
  [
    "a text that is not UTF-8",
    "data-encoding",
    (base) => {
      const bytes = Buffer.from(`${CSV}caf\xe9,feline\n`, "latin1");
      return trainTask(base, worker.data(bytes, READING), SETTINGS);
    },
  ],
  [
    "a text of 10 MB",
    "data-text-too-long",
    (base) => trainTask(base, worker.data(`${CSV}${"cat ".repeat(2_500_000)},feline\n`, READING), SETTINGS),
  ],
  [
    "an accuracy that no split can show",
    "data-test-missing",
    (base) => ({
      ...trainTask(base, worker.data(CSV, { format: "csv", split: { test: 0 } }), SETTINGS),
      requireAccuracy: 0.5,
    }),
  ],
  [
    "class weights for other classes",
    "invalid-request",
    (base) => trainTask(base, worker.data(CSV, READING), { ...SETTINGS, classWeights: [1, 2, 3] }),
  ],
])("%s fails a job with its reason", async (_what, code, task) => {
  const found = await problemOf(task(worker.source.add(wordVectors())));
  expect(found).toMatchObject({ code });
  if (code === "training-diverged") expect(found?.detail).toMatch(/step \d+\. Try a learning rate of 1e\+29/);
});

test("where a checkpoint can't be kept the job is broken off as the world's fault, and goes on later", async () => {
  const base = worker.source.add(wordVectors());
  const task = trainTask(base, worker.data(CSV, READING), { ...SETTINGS, steps: 200 });
  worker.jobFiles.before = () => {
    throw problem("store-unavailable", "The disk of the hub is full.", { retryAfter: 30 });
  };
  expect(await problemOf(task)).toMatchObject({ code: "store-unavailable", status: 503 });
  worker.jobFiles.before = () => undefined;
  const all = await worker.wholeOf(task);
  expect(messagesOf(all, "result")).toHaveLength(1);
  expect(messagesOf(all, "checkpoint").at(-1)?.checkpoint.step).toBe(200);
}, 60_000);

test("a real disk that is full at a checkpoint breaks the job off as the world's fault", async (context) => {
  const { folder, remove } = await temporaryFolder();
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], {
    encoding: "utf8",
  });
  if (mounted.status !== 0) {
    await remove();
    const reason = `No small file system can be mounted here: ${mounted.stderr ?? mounted.error?.message}`;
    console.info(reason);
    return context.skip(reason);
  }
  const small = await jobWorker({ cacheFolder: folder });
  try {
    const base = small.source.add(wordVectors());
    // Weights of 4 million numbers: 16 MB, and twice as much that Adam keeps of them.
    const settings = { ...SETTINGS, head: { hidden: [2000, 2000] }, steps: 20 };
    const all = await small.wholeOf(trainTask(base, small.data(CSV, READING), settings));
    expect(all.at(-1)).toMatchObject({
      message: "problem",
      problem: { code: "store-unavailable", status: 503, detail: expect.stringContaining("disk") },
    });
    // Nothing is left of it, and a job that needs less goes on as ever.
    const after = await small.wholeOf(trainTask(base, small.data(CSV, READING), SETTINGS));
    expect(messagesOf(after, "result")).toHaveLength(1);
  } finally {
    await small.end();
    expect(spawnSync("umount", [folder]).status).toBe(0);
    await remove();
  }
}, 120_000);

test("a checkpoint of other settings, or damaged, is refused by name", async () => {
  const base = worker.source.add(wordVectors());
  const dataSet = worker.data(CSV, READING);
  const all = await worker.wholeOf(trainTask(base, dataSet, SETTINGS));
  const { checkpoint } = messagesOf(all, "checkpoint").at(-1)!;
  const other = trainTask(base, dataSet, { ...SETTINGS, seed: 99 }, { checkpoint });
  expect(await problemOf(other)).toMatchObject({ code: "checkpoint-invalid" });
  const junk = worker.data("no checkpoint at all", { format: "csv" });
  const damaged = { digest: junk.digest, size: junk.size, step: 10 };
  expect(await problemOf(trainTask(base, dataSet, SETTINGS, { checkpoint: damaged }))).toMatchObject({
    code: "checkpoint-invalid",
  });
}, 60_000);

test("a process that is killed, or takes too much memory, fails its job and nothing else", async () => {
  const base = worker.source.add(wordVectors());
  const long = trainTask(base, worker.data(CSV, READING), { ...SETTINGS, steps: 10_000_000 });
  let last: JobMessage | undefined;
  const policies: number[] = [];
  for await (const message of worker.work(long)) {
    last = message;
    if (message.message === "progress" && message.progress.stage === "training")
      for (const pid of jobProcesses()) {
        policies.push(schedulingPolicy(pid));
        process.kill(pid, "SIGKILL");
      }
  }
  if (spawnSync("chrt", ["--version"]).status === 0) expect(policies).toContain(SCHED_IDLE);
  else console.info("That jobs take only what is left of the CPU is not tested: chrt is not here.");
  expect(last).toMatchObject({ message: "problem", problem: { code: "job-crashed", status: 500 } });
  const answer = await worker.post("/v1/embed", base, { inputs: ["cat"] });
  expect(answer.statusCode).toBe(200);
  const small = await jobWorker({ jobMemory: 2 ** 20 });
  try {
    const all = await small.wholeOf(
      trainTask(small.source.add(wordVectors()), small.data(CSV, READING), SETTINGS),
    );
    expect(all.at(-1)).toMatchObject({ message: "problem", problem: { code: "job-memory", status: 422 } });
  } finally {
    await small.end();
  }
}, 60_000);

/** Of sched(7): runs only where nothing else wants to. */
const SCHED_IDLE = 5;

/** Field 41 of proc_pid_stat(5). The name, the second, may hold spaces. */
function schedulingPolicy(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
  return Number(fields[41 - 3]);
}

/** Process ids of the jobs of this process's worker. */
function jobProcesses(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
        const title = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return Number(parent) === process.pid && title.startsWith("modulehub-job");
      } catch {
        // It has ended meanwhile.
        return false;
      }
    });
}

test("a job that takes longer than it has left is killed, and one too many is refused", async () => {
  const base = worker.source.add(wordVectors());
  const long = trainTask(base, worker.data(CSV, READING), { ...SETTINGS, steps: 10_000_000 });
  expect(await problemOf(long, 2)).toMatchObject({ code: "job-timeout" });
  const running = [worker.work(long), worker.work(long)];
  for (const one of running) await one.next();
  await expect(worker.wholeOf(long)).rejects.toThrow("too-many-requests");
  for (const one of running) await one.return(undefined);
}, 60_000);
