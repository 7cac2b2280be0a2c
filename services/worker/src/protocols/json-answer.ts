import type { FastifyReply } from "fastify";

/** An object in JSON of members whose values are JSON already. */
export function jsonObject(members: ReadonlyMap<string, string>): string {
  const texts: string[] = [];
  for (const [name, text] of members) texts.push(`${JSON.stringify(name)}:${text}`);
  return `{${texts.join()}}`;
}

/**
 * An answer that is an object in JSON: plain fields, and members that are JSON already, such as vectors, whose numbers
 * take most of the time that writing an answer takes. The handler's to return.
 */
export function jsonAnswer(
  reply: FastifyReply,
  fields: Readonly<Record<string, unknown>>,
  members: ReadonlyMap<string, string>,
): string {
  const all = new Map(Object.entries(fields).map(([name, value]) => [name, JSON.stringify(value)]));
  for (const [name, text] of members) all.set(name, text);
  void reply.type("application/json; charset=utf-8");
  return jsonObject(all);
}
