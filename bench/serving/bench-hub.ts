import { Hub } from "@modulehub/client";
import { startServices } from "../services.ts";
import type { LoadRequest } from "./load/contract.ts";
import type { Metrics } from "./metrics.ts";
import { workerCall, workerMetrics } from "./worker-call.ts";

/** A hub with its worker, and ways to call modules that it has. */
export interface BenchHub {
  worker: string;
  workerPid: number;
  api: string;
  adminToken: string;
  client: Hub;
  /** Publishes a folder or file; resolves when the version is there. */
  publish(path: string, handle: string): Promise<Published>;
  /** The worker's. */
  metrics(): Promise<Metrics>;
  stop(): Promise<void>;
}

export interface Published {
  /** HTTP to the worker, as the API makes it. */
  direct: LoadRequest;
  /** Through the API. */
  gateway: LoadRequest;
  digest: string;
  version: number;
}

/** @param settings environment of the worker */
export async function startBenchHub(settings: Record<string, string> = {}): Promise<BenchHub> {
  const services = await startServices(settings);
  const client = new Hub({ url: services.api, token: services.adminToken });
  return {
    worker: services.worker,
    workerPid: services.workerPid,
    api: services.api,
    adminToken: services.adminToken,
    client,
    async publish(path, handle) {
      for await (const event of client.publish(path, handle, { createPublisher: true })) {
        if (event.kind !== "published") continue;
        const { digest, version } = event;
        return {
          digest,
          version,
          direct: workerCall(services.worker, services.workerToken, digest, handle),
          gateway: {
            origin: services.api,
            path: `/v1/modules/${handle}/versions/${version}/infer`,
            headers: {
              "content-type": "application/json",
              authorization: `Bearer ${services.adminToken}`,
            },
          },
        };
      }
      throw new Error(`publishing ${handle} ended without a version`);
    },
    metrics: () => workerMetrics(services.worker, services.workerToken),
    stop: () => services.stop(),
  };
}

/** The body of a call with one text; `outputs.default` of the answer has its vector. */
export const textBody = (text: string): string => JSON.stringify({ inputs: { text: [text] } });

/** The vector of a text's answer. Throws where it isn't one. */
export function vectorOf(answer: Uint8Array): number[] {
  const parsed: { outputs?: { default?: { data?: unknown } } } = JSON.parse(
    Buffer.from(answer).toString("utf8"),
  );
  const data = parsed.outputs?.default?.data;
  if (!Array.isArray(data))
    throw new Error(`the answer has no vector: ${JSON.stringify(parsed).slice(0, 300)}`);
  return data;
}
