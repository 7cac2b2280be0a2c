import { type ChildProcess, fork, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runtimeVersion } from "@modulehub/runtime/session";
import { CORES } from "../context.ts";
import type { MiniLm } from "../minilm.ts";
import { treeOf } from "../processes.ts";
import type { TextServer } from "../text-load.ts";

/** What people would use instead. */
export interface Rival {
  /** The name that `--rivals` knows it by. */
  key: string;
  name: string;
  /** Installs it where it isn't, and starts it. Throws an Error that says why it doesn't run here. */
  start(minilm: MiniLm): Promise<RunningRival>;
}

export interface RunningRival {
  server: TextServer;
  stop(): Promise<void>;
}

const VENVS = join(import.meta.dirname, "../../../.cache/bench/rivals");
/** One that takes longer to install is left out. */
const INSTALL_MS = 5 * 60_000;
const READY_SECONDS = 90;

/** Others pool in float32, and batch with padding: it is looked at whether they do the same work, no more. */
const TOLERANCE = 1e-4;

const json = { "content-type": "application/json" };
const parse = (answer: Uint8Array) => JSON.parse(Buffer.from(answer).toString("utf8"));
const textsBody = (text: string): string => JSON.stringify({ texts: [text] });
const firstEmbedding = (answer: Uint8Array): number[] => parse(answer).embeddings[0];

const naiveNode: Rival = {
  key: "naive-node",
  name: "naive node:http + onnxruntime-node",
  async start(minilm) {
    const folder = dirname(dirname(minilm.compiled));
    const child = fork(join(import.meta.dirname, "node-server.ts"), [folder, String(CORES)]);
    const origin = await new Promise<string>((resolve, reject) => {
      child.once("message", (message: { url: string }) => resolve(message.url));
      child.once("exit", (code) => reject(new Error(`it ended with ${code}`)));
    });
    const to = { origin, path: "/embed", headers: json };
    return {
      server: { to, body: textsBody, vector: firstEmbedding, tolerance: TOLERANCE },
      stop: () => ended(child, () => child.disconnect()),
    };
  },
};

const fastapi = python({
  key: "fastapi",
  name: "FastAPI + onnxruntime",
  packages: [
    "fastapi==0.165.0",
    "uvicorn[standard]==0.54.0",
    `onnxruntime==${runtimeVersion}`,
    "tokenizers==0.23.3",
  ],
  command: (port) => [
    "-m",
    "uvicorn",
    "fastapi_server:app",
    "--port",
    String(port),
    "--log-level",
    "warning",
  ],
  ready: "/ready",
  server: (origin) => ({
    to: { origin, path: "/embed", headers: json },
    body: textsBody,
    vector: firstEmbedding,
  }),
});

const bentoml = python({
  key: "bentoml",
  name: "BentoML",
  packages: ["bentoml==1.4.39", `onnxruntime==${runtimeVersion}`, "tokenizers==0.23.3"],
  command: (port) => ["-m", "bentoml", "serve", "bentoml_server:Texts", "--port", String(port)],
  ready: "/readyz",
  server: (origin) => ({
    to: { origin, path: "/embed", headers: json },
    body: textsBody,
    vector: (answer) => parse(answer)[0],
  }),
});

const mlserver = python({
  key: "mlserver",
  name: "MLServer",
  packages: ["mlserver==1.7.1", `onnxruntime==${runtimeVersion}`, "tokenizers==0.23.3"],
  command: () => ["-m", "mlserver.cli.main", "start", "."],
  files: (port) => ({
    "settings.json": {
      http_port: port,
      grpc_port: port + 1,
      metrics_port: port + 2,
      host: "127.0.0.1",
      parallel_workers: 0,
    },
    "model-settings.json": {
      name: "texts",
      implementation: "mlserver_runtime.Texts",
      max_batch_size: 32,
      max_batch_time: 0.005,
    },
  }),
  ready: "/v2/models/texts/ready",
  server: (origin) => ({
    to: { origin, path: "/v2/models/texts/infer", headers: json },
    body: (text) =>
      JSON.stringify({
        inputs: [{ name: "text", shape: [1, 1], datatype: "BYTES", data: [text] }],
      }),
    vector: (answer) => parse(answer).outputs[0].data,
  }),
});

const infinity = python({
  key: "infinity",
  name: "Infinity",
  packages: ["infinity-emb[optimum,server]==0.0.78", `onnxruntime==${runtimeVersion}`],
  command: (port) => [
    ...["-c", "from infinity_emb.cli import cli; cli()", "v2", "--model-id", "."],
    ...["--served-model-name", "minilm", "--pooling-method", "mean"],
    ...["--engine", "optimum", "--device", "cpu", "--no-model-warmup"],
    ...["--host", "127.0.0.1", "--port", String(port), "--log-level", "error"],
  ],
  ready: "/health",
  server: (origin) => ({
    to: { origin, path: "/embeddings", headers: json },
    body: (text) => JSON.stringify({ model: "minilm", input: [text] }),
    vector: (answer) => parse(answer).data[0].embedding,
  }),
});

const textEmbeddingsInference: Rival = {
  key: "text-embeddings-inference",
  name: "text-embeddings-inference",
  start: () =>
    Promise.reject(
      new Error("it comes as a container image or Rust source; there is no package of it for pip"),
    ),
};

/** In the order in which they are measured. */
export const RIVALS: readonly Rival[] = [
  fastapi,
  naiveNode,
  bentoml,
  mlserver,
  infinity,
  textEmbeddingsInference,
];

interface PythonRival {
  /** Of its environment too. */
  key: string;
  name: string;
  packages: string[];
  /** Arguments of Python. The model's folder is in MODEL_FOLDER, its files lie flat in the current one. */
  command(port: number): string[];
  /** Settings beside the code, as JSON. */
  files?(port: number): Record<string, object>;
  /** Answered with 200 when it can be asked. */
  ready: string;
  server(origin: string): TextServer;
}

function python({ key, name, packages, command, files, ready, server }: PythonRival): Rival {
  return {
    key,
    name,
    async start(minilm) {
      const executable = install(key, packages);
      const port = await freePort();
      const folder = mkdtempSync(join(tmpdir(), "modulehub-bench-rival-"));
      for (const file of ["embedder.py", "fastapi_server.py", "bentoml_server.py", "mlserver_runtime.py"])
        symlinkSync(join(import.meta.dirname, file), join(folder, file));
      for (const file of [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
        "onnx/model.onnx",
      ])
        symlinkSync(join(minilm.folder, file), join(folder, basename(file)));
      for (const [file, settings] of Object.entries(files?.(port) ?? {}))
        writeFileSync(join(folder, file), JSON.stringify(settings));
      const child = spawn(executable, command(port), {
        cwd: folder,
        env: {
          ...process.env,
          PYTHONPATH: folder,
          PYTHONDONTWRITEBYTECODE: "1",
          MODEL_FOLDER: minilm.folder,
          BENTOML_DO_NOT_TRACK: "true",
          DO_NOT_TRACK: "1",
          ORT_DISABLE_TELEMETRY: "1",
          HF_HUB_OFFLINE: "1",
        },
        stdio: ["ignore", "ignore", "pipe"],
      });
      let words = "";
      child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
        words = (words + chunk).slice(-600);
      });
      const origin = `http://127.0.0.1:${port}`;
      const stop = async () => {
        await ended(child, () => {
          for (const pid of treeOf(child.pid!)) process.kill(pid, "SIGKILL");
        });
        rmSync(folder, { recursive: true, force: true });
      };
      try {
        await isReady(child, origin + ready, () => words);
      } catch (error) {
        await stop();
        throw error;
      }
      return { server: { ...server(origin), tolerance: TOLERANCE }, stop };
    },
  };
}

/**
 * The Python of a virtual environment with these packages; made once. What they need themselves is of the versions in
 * `constraints/`, so that everyone measures the same.
 */
function install(key: string, packages: readonly string[]): string {
  const folder = join(VENVS, key);
  const executable = join(folder, "bin/python");
  const constraints = join(import.meta.dirname, `constraints/${key}.txt`);
  const wanted = createHash("sha256").update(JSON.stringify(packages)).update(readFileSync(constraints));
  const marker = join(folder, `installed-${wanted.digest("hex").slice(0, 16)}`);
  if (existsSync(marker)) return executable;
  mkdirSync(VENVS, { recursive: true });
  const run = (file: string, args: string[]) => {
    const { status, stderr, error } = spawnSync(file, args, { encoding: "utf8", timeout: INSTALL_MS });
    if (error) throw new Error(`it could not be installed: ${error.message}`);
    if (status !== 0) throw new Error(`it could not be installed: ${stderr.trim().split("\n").at(-1)}`);
  };
  run("python3", ["-m", "venv", "--clear", folder]);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  run(executable, [...pip, "--constraint", constraints, ...packages]);
  writeFileSync(marker, "");
  return executable;
}

async function isReady(child: ChildProcess, url: string, words: () => string): Promise<void> {
  const end = performance.now() + READY_SECONDS * 1000;
  while (performance.now() < end) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${lastLine(words())}`);
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    await sleep(200);
  }
  throw new Error(`it was not ready after ${READY_SECONDS} s: ${lastLine(words())}`);
}

const lastLine = (words: string): string => words.trim().split("\n").at(-1) ?? "";

async function ended(child: ChildProcess, end: () => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  end();
  await exited;
}

async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
