import { dirname, join } from "node:path";
import {
  type EmbeddingRole,
  embeddingOutput,
  type InputTensor,
  problem,
  type Tensor,
  type TrainingSettings,
} from "@modulehub/core";
import type { Example } from "@modulehub/dataset";
import {
  buildTrainingProgram,
  cutAtTables,
  decodeModel,
  modelBytes,
  openSource,
  type TrainableBase,
  withExternalData,
} from "@modulehub/onnx";
import {
  denseFeatures,
  embeddingGraph,
  type Features,
  type Module,
  openFeatures,
  openLocalModule,
  openModule,
  TableFeatures,
} from "@modulehub/runtime";
import { openSession, openSessionFromBytes } from "@modulehub/runtime/session";
import type { JobArgument } from "../job-messages.ts";
import { chunksOf, embedData, itemsOf } from "./embed-data.ts";
import { type Data, examplesOf } from "./read-data.ts";
import type { WorkerPipe } from "./worker-pipe.ts";

/** What a head is trained on: embeddings that stay as they are, or the tables of a base that is trained with it. */
export interface FeatureSource {
  /** Numbers of the embedding. */
  width: number;
  /** Where the base is cut, where it is trained too, and its tables as they were. */
  cut?: TrainableBase;
  tables?: ReadonlyMap<string, Float32Array>;
  /** Of every example of the data, in its order, and the seconds that it took. */
  of(data: Data): Promise<{ features: Features; width: number; seconds: number }>;
  /**
   * Of some examples, each alone, by the base as it is published, computed in this process: to compare with. A base that
   * is trained too has the tables that are given.
   */
  alone(examples: readonly Example[], tables: ReadonlyMap<string, Float32Array>): Promise<Features>;
  close(): Promise<void>;
}

/**
 * Opens what a head is trained on. Throws `trainable-missing` and `gradient-missing`, with the operator's name, for a
 * base that is to be trained and can't be, before anything is read of the data.
 */
export async function openFeatureSource(
  pipe: WorkerPipe,
  argument: JobArgument,
  settings: TrainingSettings,
): Promise<FeatureSource> {
  const [base] = argument.modules;
  if (base === undefined) throw new TypeError("The job has no base.");
  const module = await openModule(base.folder);
  const role = embeddingOutput(module.manifest);
  return settings.trainable
    ? trainedSource(pipe, argument, { module, role, settings })
    : frozenSource(pipe, argument, { module, role });
}

function frozenSource(
  pipe: WorkerPipe,
  argument: JobArgument,
  { module, role }: { module: Module; role: EmbeddingRole },
): FeatureSource {
  return {
    width: 0,
    async of(data) {
      const { path, features: width, seconds } = await embedData(pipe, argument, 0, data);
      return { features: openFeatures(path, width), width, seconds };
    },
    async alone(examples) {
      const local = await openLocalModule(module.folder, openSession, { threads: argument.threads });
      try {
        return await oneByOne(examples, async (example) => {
          const { outputs } = await local.run(role.signature, inputOf(role, [example]), [role.output]);
          return outputs.get(role.output);
        });
      } finally {
        await local.close();
      }
    },
    close: async () => undefined,
  };
}

async function trainedSource(
  pipe: WorkerPipe,
  argument: JobArgument,
  { module, role, settings }: { module: Module; role: EmbeddingRole; settings: TrainingSettings },
): Promise<FeatureSource> {
  const { graph } = module.compileTask(role.signature);
  const path = join(module.folder, graph);
  // What is trained is written anew, so weights in files of their own are read too; the rest as it is asked for.
  const open = new DisposableStack();
  const inFolder = (location: string) => open.use(openSource(join(dirname(path), location)));
  const model = withExternalData(decodeModel(open.use(openSource(path))), inFolder);
  const embedding = embeddingGraph(model, module.manifest);
  const cut = cutAtTables(embedding.model, embedding.output);
  // Says which operator has no gradient rule, if one has none.
  buildTrainingProgram(settings, { features: cut.features, outputs: 1 }, cut);
  const tables = new Map(cut.tables.map((table) => [table.name, table.read()]));
  const front = await openSessionFromBytes(modelBytes(cut.front), dirname(path), {
    threads: argument.threads,
  });
  const names = new Set(front.inputs.map(({ name }) => name));
  const run = async (into: TableFeatures, examples: readonly Example[]) => {
    const { feeds } = await module.prepare(role.signature, inputOf(role, examples));
    into.add(await front.run(new Map([...feeds].filter(([name]) => names.has(name)))));
  };
  return {
    width: cut.features,
    cut,
    tables,
    async of(data) {
      const started = performance.now();
      const into = new TableFeatures(cut, tables);
      let done = 0;
      for await (const chunk of chunked(examplesOf(data))) {
        await run(into, chunk);
        done += chunk.length;
        const examplesPerSecond = (done / (performance.now() - started)) * 1_000;
        await pipe.tell({
          kind: "progress",
          progress: { stage: "embedding", done, total: data.examples, examplesPerSecond },
        });
      }
      const seconds = (performance.now() - started) / 1_000;
      return { features: into.finish(), width: cut.features, seconds };
    },
    async alone(examples, trained) {
      const bytes = modelBytes(cut.withTables(trained));
      const whole = await openSessionFromBytes(bytes, dirname(path), { threads: argument.threads });
      const inputs = new Set(whole.inputs.map(({ name }) => name));
      try {
        return await oneByOne(examples, async (example) => {
          const { feeds } = await module.prepare(role.signature, inputOf(role, [example]));
          const own = new Map([...feeds].filter(([name]) => inputs.has(name)));
          return (await whole.run(own, [embedding.output])).get(embedding.output);
        });
      } finally {
        await whole.close();
      }
    },
    async close() {
      await front.close();
      open.dispose();
    },
  };
}

/** The rows that examples get, one after the other. */
async function oneByOne(
  examples: readonly Example[],
  embed: (example: Example) => Promise<Tensor | undefined>,
): Promise<Features> {
  const rows: Float32Array[] = [];
  for (const example of examples) {
    const row = await embed(example);
    if (row?.dtype !== "float32") throw problem("task-mismatch", "The base gave no float32 embedding.");
    rows.push(row.data);
  }
  return denseFeatures(joinRows(rows), rows[0]?.length ?? 0);
}

/** Rows of one width, behind each other. */
export function joinRows(rows: readonly Float32Array[]): Float32Array {
  const width = rows[0]?.length ?? 0;
  const all = new Float32Array(width * rows.length);
  for (const [index, row] of rows.entries()) all.set(row, index * width);
  return all;
}

/** Examples in their order, as many at once as `chunksOf` makes of them. */
async function* chunked(examples: AsyncIterable<Example>): AsyncGenerator<Example[]> {
  let waiting: Example[] = [];
  for await (const example of examples) {
    waiting.push(example);
    const [full, ...rest] = chunksOf(waiting);
    if (rest.length === 0 || full === undefined) continue;
    yield full;
    waiting = rest.flat();
  }
  yield* chunksOf(waiting);
}

export function inputOf(role: EmbeddingRole, examples: readonly Example[]): Map<string, InputTensor> {
  const texts = itemsOf(examples).get("texts");
  if ((texts !== undefined) !== (role.takes === "text"))
    throw problem("task-mismatch", `The base takes ${role.takes}s; the data set holds others.`);
  if (texts !== undefined) return new Map([[role.input, texts]]);
  const data = examples.flatMap(({ content }) => (content.kind === "image" ? [content.bytes] : []));
  return new Map([[role.input, { dtype: "image", shape: [data.length], data }]]);
}
