import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ask,
  type DraftBody,
  listOf,
  moduleFiles,
  prepareDraft,
  settled,
  startTestHub,
  type TestHub,
} from "../testing/test-hub.ts";

const AT_ONCE = 100;
let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
}, 60_000);
afterAll(() => hub.close());

/** Drafts that are ready, published at the same moment; how each ended. */
async function race(module: string, options: Record<string, unknown>): Promise<DraftBody[]> {
  const ids: string[] = [];
  for (let n = 0; n < AT_ONCE; n++)
    ids.push((await prepareDraft(hub, module, moduleFiles(`${module} ${n}`), options)).body.id);
  const asked = await Promise.all(ids.map((id) => ask(hub, "POST", `/v1/drafts/${id}/publish`)));
  expect(asked.map(({ status }) => status)).toEqual(ids.map(() => 202));
  const ended: DraftBody[] = [];
  for (const id of ids) ended.push(await settledLong(id));
  return ended;
}

async function settledLong(id: string): Promise<DraftBody> {
  for (let tries = 0; ; tries++)
    try {
      return await settled(hub, id);
    } catch (error) {
      if (tries === 8) throw error;
    }
}

test("of a hundred who publish one number at once, one wins and the others are told that it exists", async () => {
  const ended = await race("acme/one-number", { version: 5 });
  const won = ended.filter(({ state }) => state === "published");
  expect(won).toHaveLength(1);
  expect(won[0]?.version).toBe(5);
  const codes = ended.filter(({ state }) => state !== "published").map(({ problems }) => problems?.[0]?.code);
  expect(codes).toEqual(Array.from({ length: AT_ONCE - 1 }, () => "version-exists"));
  const late = await ask(hub, "POST", "/v1/modules/acme/one-number/drafts", {
    files: listOf(moduleFiles("late")),
    version: 5,
  });
  expect(late.status).toBe(409);
}, 180_000);

test("a hundred who name no number get one each, without a gap", async () => {
  const ended = await race("acme/no-number", {});
  const numbers = ended.map(({ version }) => version ?? 0).sort((a, b) => a - b);
  expect(numbers).toEqual(Array.from({ length: AT_ONCE }, (_, index) => index + 1));
}, 180_000);
