import { textBody, vectorOf } from "./bench-hub.ts";
import { type Context, withoutGenerator } from "./context.ts";
import type { LoadReport, LoadRequest } from "./load/contract.ts";
import type { MiniLm } from "./minilm.ts";
import { closedLoop, type RawMemory } from "./raw/raw.ts";

/** How a server is asked for the vector of a text, and how its answer is read. */
export interface TextServer {
  to: LoadRequest;
  body(text: string): string;
  vector(answer: Uint8Array): ArrayLike<number>;
  /** Of the check of answers; default that of the contracts. */
  tolerance?: number;
}

/** The hub's own form. */
export const modulehubServer = (to: LoadRequest): TextServer => ({ to, body: textBody, vector: vectorOf });

/** Texts of the corpus, one a request, by so many clients; every answer is checked. Throws where one is wrong. */
export async function askTexts(
  context: Context,
  server: TextServer,
  order: readonly number[],
  clients: number,
): Promise<LoadReport> {
  const minilm = await context.minilm();
  const report = await context.load.run({
    to: server.to,
    bodies: order.map((index) => server.body(minilm.corpus[index]!.text)),
    pace: { kind: "closed", clients, requests: order.length },
    keepAnswers: true,
  });
  checkAnswers(minilm, server, order, report);
  return report;
}

export function checkAnswers(
  minilm: MiniLm,
  { vector, tolerance }: TextServer,
  order: readonly number[],
  { status, answers, errors }: LoadReport,
): void {
  for (const [at, code] of status.entries()) {
    if (code !== 200) {
      const said = answers[at] ? Buffer.from(answers[at]).toString("utf8").slice(0, 300) : errors.join("; ");
      throw new Error(`a request was answered with ${code}: ${said}`);
    }
    minilm.check(order[at % order.length]!, vector(answers[at]!), tolerance);
  }
}

/** Texts a second of a server under so many clients, the generator's CPU time taken off. */
export async function textsPerSecond(
  context: Context,
  server: TextServer,
  order: readonly number[],
  clients: number,
): Promise<number> {
  const report = await askTexts(context, server, order, clients);
  return (order.length / withoutGenerator(report)) * 1000;
}

/** R32: texts a second, every row checked. */
export async function rawTextsPerSecond(
  context: Context,
  order: readonly number[],
  memory: RawMemory,
): Promise<number> {
  const minilm = await context.minilm();
  const children = await context.narrow(memory);
  const lengths = minilm.corpus.map(({ tokens }) => tokens);
  const loop = await closedLoop(children, lengths, order, 32);
  let rows = 0;
  for (const child of children)
    for (const [item, row] of await child.rows()) {
      minilm.check(item, row);
      rows += 1;
    }
  if (rows !== new Set(order).size) throw new Error(`the raw runs gave ${rows} rows`);
  return (order.length / withoutGenerator(loop)) * 1000;
}

/** The first texts of the corpus, which is in no order; another part of it for each pair where there is enough. */
export const firstTexts = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
