import { WORKER_HEADERS, WORKER_ROUTES } from "@modulehub/core";
import type { LoadRequest } from "./load/contract.ts";
import { Metrics } from "./metrics.ts";

/** A call of a module as the API makes it of a worker. */
export const workerCall = (
  worker: string,
  token: string,
  digest: string,
  handle = "bench/module",
): LoadRequest => ({
  origin: worker,
  path: WORKER_ROUTES.infer,
  headers: {
    "content-type": "application/json",
    authorization: `Bearer ${token}`,
    [WORKER_HEADERS.digest]: digest,
    [WORKER_HEADERS.module]: handle,
    [WORKER_HEADERS.version]: "1",
    [WORKER_HEADERS.caller]: "bench",
  },
});

/** What a worker tells of itself. */
export async function workerMetrics(worker: string, token: string): Promise<Metrics> {
  const answer = await fetch(`${worker}/metrics`, { headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error(`the worker's metrics were answered with ${answer.status}`);
  return new Metrics(await answer.text());
}
