import { problem, publisherFault } from "@modulehub/core";
import type { Queries } from "../database/client.ts";
import { isUniqueViolation } from "../database/query-errors.ts";

export interface PublisherAnswer {
  id: string;
  displayName: string;
  createdAt: string;
}

/** Makes a publisher. Throws `invalid-name` or `name-taken`. */
export async function createPublisher(
  queries: Queries,
  id: string,
  displayName: string = id,
): Promise<PublisherAnswer> {
  const fault = publisherFault(id);
  if (fault) throw problem("invalid-name", fault);
  try {
    return answerOf(await queries.publisher.create({ data: { id, displayName } }));
  } catch (error) {
    if (isUniqueViolation(error))
      throw problem("name-taken", `The publisher ${id} exists.`, { cause: error });
    throw error;
  }
}

/** Reads a publisher. Throws `not-found`. */
export async function readPublisher(queries: Queries, id: string): Promise<PublisherAnswer> {
  const row = await queries.publisher.findUnique({ where: { id } });
  if (row === null) throw problem("not-found", "There is no such publisher.");
  return answerOf(row);
}

const answerOf = (row: { id: string; displayName: string; createdAt: Date }): PublisherAnswer => ({
  id: row.id,
  displayName: row.displayName,
  createdAt: row.createdAt.toISOString(),
});
