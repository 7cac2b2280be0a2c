import type { Batching, InspectionReport, Manifest, ProblemDocument } from "@modulehub/core";
import { expect } from "vitest";
import { call, modulehub, type RunningHub } from "../e2e/hub.ts";

/** What `modulehub publish --json` came to. */
export type Published = { handle: string; version: number; digest: string } | { problem: ProblemDocument };

/** Publishes a folder or an .onnx file with the command line, as its users do. */
export async function publishByCommand(hub: RunningHub, path: string, handle: string): Promise<Published> {
  const { code, stdout, stderr } = await modulehub(hub, "publish", path, handle, "--json");
  if (code === 0) return JSON.parse(stdout.trim().split("\n").at(-1)!);
  const said = stderr.split("\n").find((line) => line.startsWith("{"));
  if (said === undefined) throw new Error(`modulehub publish ended with ${code}: ${stderr}`);
  return { problem: JSON.parse(said) };
}

/** Publishes what must be accepted. */
export async function accepted(hub: RunningHub, path: string, handle: string): Promise<void> {
  expect(await publishByCommand(hub, path, handle)).toMatchObject({ handle: `${handle}/1`, version: 1 });
}

/** A tensor of an answer: flat, row-major. */
export interface AnsweredTensor<T = number> {
  dtype: string;
  shape: number[];
  data: T[];
}

/** Posts to an operation of a module's latest version; the answer, or the problem where it refuses. */
export async function ask<T>(
  hub: RunningHub,
  module: string,
  operation: "infer" | "embed" | "classify",
  body: unknown,
  headers: Record<string, string> = {},
): Promise<T> {
  const answer = await call(hub, "POST", `/v1/modules/${module}/${operation}`, body, headers);
  return (await answer.json()) as T;
}

/** The outputs of `infer` in JSON. */
export async function infer<T = number>(
  hub: RunningHub,
  module: string,
  inputs: Record<string, unknown>,
): Promise<Record<string, AnsweredTensor<T>>> {
  const answer = await ask<{ outputs?: Record<string, AnsweredTensor<T>> }>(hub, module, "infer", { inputs });
  if (!answer.outputs) throw new Error(`${module} refused: ${JSON.stringify(answer)}`);
  return answer.outputs;
}

/** The vectors of `embed`. */
export async function embed(hub: RunningHub, module: string, inputs: unknown): Promise<number[][]> {
  const answer = await ask<{ embeddings?: number[][] }>(hub, module, "embed", { inputs });
  if (!answer.embeddings) throw new Error(`${module} refused: ${JSON.stringify(answer)}`);
  return answer.embeddings;
}

export interface ShownVersion {
  manifest: Manifest;
  report: InspectionReport;
}

export async function showVersion(hub: RunningHub, module: string): Promise<ShownVersion> {
  const answer = await call(hub, "GET", `/v1/modules/${module}/versions/1`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as ShownVersion;
}

/** What inspection proved of the default signature, and what it saw. */
export async function batchingOf(
  hub: RunningHub,
  module: string,
): Promise<{ batching: Batching; evidence: string[] }> {
  const { report } = await showVersion(hub, module);
  return report.signatures.default!;
}

export function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = a.reduce((sum, value, index) => sum + value * b[index]!, 0);
  return dot / (Math.hypot(...a) * Math.hypot(...b));
}

/** The largest difference of two rows, as a part of max(1, max|row|): the measure of the serving contract. */
export function rowDifference(expected: ArrayLike<number>, got: ArrayLike<number>): number {
  if (expected.length !== got.length) return Number.POSITIVE_INFINITY;
  let scale = 1;
  let most = 0;
  for (let index = 0; index < expected.length; index++) {
    scale = Math.max(scale, Math.abs(expected[index]!));
    most = Math.max(most, Math.abs(expected[index]! - got[index]!));
  }
  return most / scale;
}
