import { z } from "zod";
import type { Transport } from "../transport.ts";
import type { PageOptions } from "./list-modules.ts";

/** An answer of `/v1/publishers`. */
export const publisherAnswer = z.looseObject({
  id: z.string(),
  displayName: z.string(),
  createdAt: z.string(),
});
export type HubPublisher = z.infer<typeof publisherAnswer>;

export const publisherPage = z.looseObject({ items: z.array(publisherAnswer), next: z.string().optional() });
export type PublisherPage = z.infer<typeof publisherPage>;

const publisherPath = (id: string): string => `v1/publishers/${encodeURIComponent(id)}`;

/**
 * Makes a publisher, which the token's account owns then; the admin may name another owner. Throws `name-taken` where
 * it exists, `gone` where it was deleted, `forbidden` where the token may not.
 */
export async function createPublisher(
  transport: Transport,
  id: string,
  options: { displayName?: string; owner?: string } = {},
): Promise<HubPublisher> {
  return transport.call("POST", "v1/publishers", publisherAnswer, { body: { id, ...options } });
}

/** A page of the publishers, by name. Throws as `Transport.call` does. */
export async function listPublishers(
  transport: Transport,
  options: PageOptions = {},
): Promise<PublisherPage> {
  return transport.call("GET", "v1/publishers", publisherPage, { query: { ...options } });
}

/** Changes how a publisher is called on pages. Throws `not-found`, `forbidden`, and as `Transport.call` does. */
export async function renamePublisher(
  transport: Transport,
  id: string,
  displayName: string,
): Promise<HubPublisher> {
  return transport.call("PATCH", publisherPath(id), publisherAnswer, {
    body: { displayName },
    retry: "safe",
  });
}

/** An answer about a quota. */
export const quotaAnswer = z.looseObject({ publisher: z.string(), used: z.int(), quota: z.int().optional() });

/** How many bytes a publisher keeps, and may keep; without `quota`, any number. */
export type Quota = z.infer<typeof quotaAnswer>;

/** Reads it, for members of the publisher. Throws as `Transport.call` does. */
export async function readQuota(transport: Transport, id: string): Promise<Quota> {
  return transport.call("GET", `${publisherPath(id)}/quota`, quotaAnswer);
}

/** Sets it, for the admin; null is any number. Throws `forbidden`, and as `Transport.call` does. */
export async function setQuota(transport: Transport, id: string, bytes: number | null): Promise<Quota> {
  return transport.call("PUT", `${publisherPath(id)}/quota`, quotaAnswer, { body: { bytes }, retry: "safe" });
}

/** Deletes a publisher for ever. Throws `publisher-not-empty` while it has modules, and as `Transport.call` does. */
export async function deletePublisher(transport: Transport, id: string): Promise<void> {
  await transport.call("DELETE", publisherPath(id), z.unknown());
}
