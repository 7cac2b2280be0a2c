import { DTYPES, type Dtype } from "@modulehub/core/dtype";
import { problem } from "@modulehub/core/problem";
import type { Tensor } from "@modulehub/core/tensor";
import type { InferenceSession, Tensor as RuntimeTensor } from "onnxruntime-node";
import type { OptimizedFor } from "./optimized-graph.ts";
import type { OpenSession, Session, SessionOptions, SessionValue } from "./session-contract.ts";
import { runtimeProblem } from "./session-error.ts";

// Since 1.29 telemetry is on by default and writes a device id into the home folder. The native library reads
// this when it is loaded, so it must be set before the import; an import statement would be hoisted above it.
process.env.ORT_DISABLE_TELEMETRY = "1";
const ort = await import("onnxruntime-node");

/** Version of ONNX Runtime, such as `1.30.0`. */
export const runtimeVersion: string = ort.env.versions.node ?? ort.env.versions.common;

/** What a session of these options is optimised for. */
export const optimizedFor = (options: Omit<SessionOptions, "threads"> = {}): OptimizedFor => ({
  runtime: runtimeVersion,
  executionProviders: options.executionProviders ?? ["cpu"],
  optimization: options.optimization ?? "all",
});

/**
 * Opens a graph in this process, or its optimised form (`.ort`). Creating and running block the thread, and a hostile
 * graph can abort the process or never end: inside the hub only limited child processes call this.
 */
export const openSession: OpenSession = (path, options) => {
  // The file is mapped, and weights that kernels take as they are stay in it.
  const mapped: Record<string, string> = path.endsWith(".ort")
    ? { use_memory_mapped_ort_model: "1", use_ort_model_bytes_for_initializers: "1" }
    : {};
  return openModel(path, options, mapped);
};

/** As `openSession`, from a graph in memory whose external data lies in a folder. */
export const openSessionFromBytes = (
  bytes: Uint8Array,
  dataFolder: string,
  options: SessionOptions,
): Promise<Session> =>
  openModel(bytes, options, { model_external_initializers_file_folder_path: dataFolder });

async function openModel(
  model: string | Uint8Array,
  options: SessionOptions,
  config: Record<string, string>,
): Promise<Session> {
  const executionProviders = options.executionProviders ?? ["cpu"];
  const session = await createSession(model, {
    executionProviders: [...executionProviders],
    intraOpNumThreads: options.threads,
    graphOptimizationLevel: options.optimization ?? "all",
    enableCpuMemArena: options.arena ?? false,
    enableMemPattern: options.arena ?? false,
    extra: { session: { intra_op: spinning(options.spinMicroseconds ?? 0), ...config } },
  });
  const inputs = session.inputMetadata.map(sessionValue);
  const outputs = session.outputMetadata.map(sessionValue);
  const unsupported = [...inputs, ...outputs].find(({ dtype }) => dtype !== null && !DTYPES[dtype].feedable);
  if (unsupported) {
    // Fetching a 4-bit output aborts the process.
    await session.release();
    throw problem(
      "dtype-unsupported",
      `${unsupported.name} is ${unsupported.dtype}; cast it inside the graph.`,
    );
  }
  return new OpenGraph(session, inputs, outputs, executionProviders);
}

const spinning = (microseconds: number): Record<string, string> =>
  microseconds > 0
    ? { allow_spinning: "1", spin_duration_us: String(microseconds) }
    : { allow_spinning: "0" };

/**
 * Writes what ONNX Runtime makes of a graph for this machine to a file that ends in `.ort`, weights included. Throws
 * `session-failed` also for what that format can't hold, such as more than 2 GB.
 */
export async function writeOptimized(
  path: string,
  target: string,
  options: Omit<SessionOptions, "threads"> = {},
): Promise<void> {
  const { executionProviders, optimization } = optimizedFor(options);
  const session = await createSession(path, {
    executionProviders: [...executionProviders],
    intraOpNumThreads: 1,
    graphOptimizationLevel: optimization,
    enableCpuMemArena: false,
    enableMemPattern: false,
    optimizedModelFilePath: target,
    // Nothing is run, so nothing need be packed for it.
    extra: { session: { save_model_format: "ORT", disable_prepacking: "1" } },
  });
  await session.release();
}

async function createSession(
  model: string | Uint8Array,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  try {
    const all: InferenceSession.SessionOptions = {
      ...options,
      interOpNumThreads: 1,
      executionMode: "sequential",
      // Errors come back as exceptions; logged as well, what callers send wrongly would fill the log.
      logSeverityLevel: 4,
    };
    return typeof model === "string"
      ? await ort.InferenceSession.create(model, all)
      : await ort.InferenceSession.create(model, all);
  } catch (cause) {
    throw runtimeProblem("session-failed", cause);
  }
}

class OpenGraph implements Session {
  readonly inputs: readonly SessionValue[];
  readonly outputs: readonly SessionValue[];
  readonly executionProviders: readonly string[];
  private session: InferenceSession | undefined;
  private readonly tensorOutputs: readonly string[];

  constructor(
    session: InferenceSession,
    inputs: readonly SessionValue[],
    outputs: readonly SessionValue[],
    executionProviders: readonly string[],
  ) {
    this.session = session;
    this.inputs = inputs;
    this.outputs = outputs;
    this.executionProviders = executionProviders;
    this.tensorOutputs = outputs.filter(({ dtype }) => dtype !== null).map(({ name }) => name);
  }

  async run(
    feeds: ReadonlyMap<string, Tensor>,
    fetches: readonly string[] = this.tensorOutputs,
  ): Promise<Map<string, Tensor>> {
    if (!this.session) throw new Error("The session is closed.");
    for (const { name } of this.inputs)
      if (!feeds.has(name)) throw problem("input-missing", `The graph's input ${name} is not fed.`);
    for (const name of fetches)
      if (!this.tensorOutputs.includes(name))
        throw problem("output-unknown", `The graph has no tensor output ${name}.`);
    const fed = Object.fromEntries(
      this.inputs.map(({ name }) => [name, toRuntime(name, feeds.get(name)!)] as const),
    );
    let results: InferenceSession.OnnxValueMapType;
    try {
      results = await this.session.run(fed, [...fetches]);
    } catch (cause) {
      throw runtimeProblem("run-failed", cause);
    }
    return new Map(fetches.map((name) => [name, fromRuntime(name, results[name])]));
  }

  async close(): Promise<void> {
    const session = this.session;
    this.session = undefined;
    await session?.release();
  }
}

function sessionValue(value: InferenceSession.ValueMetadata): SessionValue {
  if (!value.isTensor) return { name: value.name, dtype: null, shape: [] };
  return { name: value.name, dtype: value.type as Dtype, shape: [...value.shape] };
}

/** A tensor as the binding takes it, sharing memory. */
function toRuntime(name: string, tensor: Tensor): RuntimeTensor {
  const { dtype, shape, data } = tensor;
  switch (dtype) {
    case "string": {
      const cut = data.findIndex((text) => text.includes("\0"));
      if (cut >= 0)
        throw problem(
          "tensor-invalid",
          `${name}[${cut}] holds a NUL character, where ONNX Runtime would cut it.`,
        );
      return new ort.Tensor(dtype, data, shape);
    }
    case "float16":
      // Where the language has Float16Array, onnxruntime-common turns bit patterns into one, which the native
      // binding of 1.30 can't read ("expected 4, got 0"). It does read the bits if only the type says float16.
      return Object.assign(new ort.Tensor("uint16", data, shape), { type: dtype });
    case "float32":
      return new ort.Tensor(dtype, data, shape);
    case "float64":
      return new ort.Tensor(dtype, data, shape);
    case "int8":
      return new ort.Tensor(dtype, data, shape);
    case "int16":
      return new ort.Tensor(dtype, data, shape);
    case "int32":
      return new ort.Tensor(dtype, data, shape);
    case "int64":
      return new ort.Tensor(dtype, data, shape);
    case "uint8":
      return new ort.Tensor(dtype, data, shape);
    case "uint16":
      return new ort.Tensor(dtype, data, shape);
    case "uint32":
      return new ort.Tensor(dtype, data, shape);
    case "uint64":
      return new ort.Tensor(dtype, data, shape);
    case "bool":
      return new ort.Tensor(dtype, data, shape);
    default:
      throw problem("dtype-unsupported", `ONNX Runtime's binding takes no ${dtype} tensors (${name}).`);
  }
}

/** A result of the binding as a tensor, sharing memory. */
function fromRuntime(name: string, result: InferenceSession.OnnxValueMapType[string] | undefined): Tensor {
  if (!result) throw problem("run-failed", `The run gave no output ${name}.`);
  const shape = [...result.dims];
  const { type, data } = result;
  if (ArrayBuffer.isView(data) && type === "float16")
    return { dtype: type, shape, data: new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2) };
  if (type === "int4" || type === "uint4")
    throw problem("dtype-unsupported", `Output ${name} is ${type}; cast it inside the graph.`);
  return { dtype: type, shape, data } as Tensor;
}
