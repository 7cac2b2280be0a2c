import { fetchBytes, type Hub, type Outcome, send } from "./caller.ts";
import { type Publisher, Violation } from "./publisher.ts";
import type { Random } from "./random.ts";
import { type Known, type Record, sha256 } from "./record.ts";

/** Versions that were read back before and are read again in each check. */
const AGAIN = 2;

/** The hub did not answer while it was looked at. */
class Unanswered extends Error {}

interface Listed {
  version: number;
  yanked?: unknown;
}

/**
 * Compares a hub with what a publisher was told: everything acknowledged is there, complete, with its digests;
 * whatever can be seen is complete; numbers are unique and stay what they were; nothing acknowledged came undone. What
 * was not known is known afterwards. Throws `Violation`; false where the hub did not answer. `all` reads every byte.
 */
export async function verify(hub: Hub, publisher: Publisher, random: Random, all = false): Promise<boolean> {
  try {
    const { record } = publisher;
    const listed = await allVersions(hub, record);
    for (const [number, known] of record.versions)
      await checkKnown(hub, publisher, number, known, listed.get(number));
    for (const number of listed.keys()) if (!record.versions.has(number)) await meet(hub, record, number);
    await checkAliases(hub, record);
    await checkLatest(hub, record);
    await readBack(hub, record, random, all);
    await checkTokens(hub, record);
    await checkUploads(hub, record);
    return true;
  } catch (error) {
    if (error instanceof Unanswered) return false;
    throw error;
  }
}

async function get<T>(
  hub: Hub,
  path: string,
  token?: string,
): Promise<Exclude<Outcome<T>, { kind: "unknown" }>> {
  const outcome = await send<T>(hub, "GET", path, undefined, token);
  if (outcome.kind === "unknown") throw new Unanswered(outcome.reason);
  return outcome;
}

/** Those listed; none where the module is not there yet. */
async function allVersions(hub: Hub, record: Record): Promise<Map<number, Listed>> {
  const listed = new Map<number, Listed>();
  let cursor = "";
  do {
    const page = await get<{ items: Listed[]; next?: string }>(
      hub,
      `/v1/modules/${record.module}/versions?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    if (page.kind === "refused") {
      if (page.status === 404 && record.versions.size === 0) return listed;
      throw new Violation(`${record.module}: its versions are refused: ${page.status}`);
    }
    for (const item of page.body.items) {
      if (listed.has(item.version)) throw new Violation(`${record.module}/${item.version} is there twice`);
      listed.set(item.version, item);
    }
    cursor = page.body.next ?? "";
  } while (cursor !== "");
  return listed;
}

async function checkKnown(
  hub: Hub,
  publisher: Publisher,
  number: number,
  known: Known,
  listed: Listed | undefined,
): Promise<void> {
  const name = `${publisher.record.module}/${number}`;
  if (listed === undefined) {
    if (!known.deleted.has(true)) throw new Violation(`${name} was published, and is not there`);
    publisher.deleted(number);
    const answer = await get(hub, `/v1/modules/${publisher.record.module}/versions/${number}`);
    if (answer.status !== 410)
      throw new Violation(`${name} was deleted, and answers ${answer.status}, not 410`);
    return;
  }
  if (!known.deleted.has(false)) throw new Violation(`${name} was deleted, and is there again`);
  known.deleted = new Set([false]);
  const yanked = listed.yanked !== undefined;
  if (!known.yanked.has(yanked)) throw new Violation(`${name} is ${yanked ? "" : "not "}yanked`);
  known.yanked = new Set([yanked]);
}

/** A version that was never acknowledged may be there if its publishing was asked for; then it is one like others. */
async function meet(hub: Hub, record: Record, number: number): Promise<void> {
  const files = await filesOf(hub, record, number);
  const graph = files.get("model.onnx");
  const content = [...record.contents.values()].find(
    ({ files }) => files.get("model.onnx")!.digest === graph,
  );
  const name = `${record.module}/${number}`;
  if (content === undefined) throw new Violation(`${name} is something that nobody published`);
  const twice = [...record.versions].find(([, { seed }]) => seed === content.seed);
  if (twice) throw new Violation(`"${content.seed}" is version ${twice[0]} and ${number}`);
  const pending = [...record.drafts.values()].find(({ seed }) => seed === content.seed);
  if (!pending?.asked) throw new Violation(`${name} is there, and nobody asked for it to be published`);
  const known: Known = {
    seed: content.seed,
    yanked: new Set([false]),
    deleted: new Set([false]),
    read: false,
  };
  record.versions.set(number, known);
  record.aliases.set(content.alias, new Set([number]));
}

async function filesOf(hub: Hub, record: Record, number: number): Promise<Map<string, string>> {
  const answer = await get<{ files: { path: string; digest: string }[] }>(
    hub,
    `/v1/modules/${record.module}/versions/${number}`,
  );
  if (answer.kind === "refused")
    throw new Violation(`${record.module}/${number} is listed, and answers ${answer.status}`);
  return new Map(answer.body.files.map(({ path, digest }) => [path, digest]));
}

async function checkAliases(hub: Hub, record: Record): Promise<void> {
  const now = new Map<string, number>();
  let cursor = "";
  do {
    const page = await get<{ items: { alias: string; version: number }[]; next?: string }>(
      hub,
      `/v1/modules/${record.module}/aliases${cursor && `?cursor=${encodeURIComponent(cursor)}`}`,
    );
    if (page.kind === "refused") return;
    for (const { alias, version } of page.body.items) now.set(alias, version);
    cursor = page.body.next ?? "";
  } while (cursor !== "");
  for (const [alias, may] of record.aliases) {
    const is = now.get(alias);
    if (!may.has(is)) throw new Violation(`${record.module}@${alias} stands for ${is}, not for ${[...may]}`);
    record.aliases.set(alias, new Set([is]));
  }
  for (const alias of now.keys())
    if (
      !record.aliases.has(alias) &&
      ![...record.drafts.values()].some((draft) => isOwn(record, draft.seed, alias))
    )
      throw new Violation(`${record.module}@${alias} was never asked for`);
}

const isOwn = (record: Record, seed: string, alias: string): boolean =>
  record.contents.get(seed)?.alias === alias;

/** The highest that is not yanked, or one that was published since. */
async function checkLatest(hub: Hub, record: Record): Promise<void> {
  const numbers = [...record.versions].filter(
    ([, known]) => !known.deleted.has(true) && !known.yanked.has(true),
  );
  const highest = Math.max(0, ...numbers.map(([number]) => number));
  const answer = await get<{ version: number }>(hub, `/v1/resolve?handle=${record.module}`);
  const is = answer.kind === "done" ? answer.body.version : 0;
  const onItsWay = [...record.drafts.values()].some(({ asked }) => asked);
  if (is !== highest && !(onItsWay && is > highest))
    throw new Violation(`the latest version of ${record.module} is ${is}, not ${highest}`);
}

/** Each version's files are the ones that were sent, by digest and by byte. */
async function readBack(hub: Hub, record: Record, random: Random, all: boolean): Promise<void> {
  const shown = [...record.versions].filter(([, { deleted }]) => !deleted.has(true));
  const before = shown.filter(([, { read }]) => read);
  const again = before.length === 0 ? [] : Array.from({ length: AGAIN }, () => random.pick(before));
  for (const [number, known] of all ? shown : new Set([...shown.filter(([, { read }]) => !read), ...again])) {
    const content = record.contents.get(known.seed)!;
    const files = await filesOf(hub, record, number);
    const name = `${record.module}/${number}`;
    if (files.size !== content.files.size)
      throw new Violation(`${name} has ${files.size} files: ${[...files.keys()]}`);
    for (const [path, { digest }] of content.files) {
      if (files.get(path) !== digest) throw new Violation(`${name} has another ${path}`);
      const bytes = await fetchBytes(hub, `/v1/modules/${record.module}/versions/${number}/files/${path}`);
      if (bytes === undefined) throw new Unanswered(path);
      if (typeof bytes === "number") throw new Violation(`${name}: ${path} answers ${bytes}`);
      if (sha256(bytes) !== digest)
        throw new Violation(`${name}: ${path} has other bytes than were published`);
    }
    known.read = true;
  }
}

async function checkTokens(hub: Hub, record: Record): Promise<void> {
  for (const [id, token] of record.tokens) {
    const answer = await get(hub, "/v1/me", token.secret);
    const works = answer.kind === "done";
    if (!works && answer.status !== 401) throw new Violation(`a token is answered ${answer.status}`);
    if (!token.revoked.has(!works))
      throw new Violation(works ? "a revoked token works" : "a token that was issued does not work");
    token.revoked = new Set([!works]);
    if (!works && record.tokens.size > 5) record.tokens.delete(id);
  }
}

async function checkUploads(hub: Hub, record: Record): Promise<void> {
  for (const [id, upload] of record.uploads) {
    const answer = await get<{ state: string; received: number[] }>(hub, `/v1/uploads/${id}`);
    if (answer.kind === "refused") throw new Violation(`upload ${id} is gone: ${answer.status}`);
    const { state, received } = answer.body;
    if (["stored", "verifying"].includes(state) && upload.completed.has(true)) continue;
    if (state !== "open") throw new Violation(`upload ${id} is ${state}`);
    const lost = [...upload.taken].filter((n) => !received.includes(n));
    if (lost.length > 0) throw new Violation(`upload ${id} has lost parts ${lost}`);
  }
}
