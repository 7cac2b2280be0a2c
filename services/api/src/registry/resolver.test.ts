import { parseModuleName } from "@modulehub/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../database/client.ts";
import type { Prisma } from "../database/generated/client.ts";
import { ADMIN as admin } from "../identity/principal.ts";
import { ask, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";
import { setAlias } from "./aliases.ts";
import { createResolver } from "./resolver.ts";

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  await publish(hub, "acme/words", moduleFiles("one"), { visibility: "public", aliases: ["stable"] });
  await publish(hub, "acme/words", moduleFiles("two"));
}, 60_000);
afterAll(() => hub.close());

test("what was looked up while an alias moved is answered, and not remembered", async () => {
  const { database } = hub.deps;
  const module = parseModuleName("acme/words");
  const looked = Promise.withResolvers<void>();
  const moved = Promise.withResolvers<void>();
  let lookUps = 0;
  // Answers about aliases come late: after the move that began when they were read.
  const findUnique = async (args: Prisma.AliasFindUniqueArgs) => {
    lookUps += 1;
    const row = await database.prisma.alias.findUnique(args);
    looked.resolve();
    await moved.promise;
    return row;
  };
  const late: Database = {
    ...database,
    exclusive: true,
    prisma: new Proxy(database.prisma, {
      get: (target, key) => (key === "alias" ? { findUnique } : Reflect.get(target, key)),
    }),
  };
  const resolver = createResolver(late);
  const resolve = async () =>
    (await resolver.resolve(admin, "module.run", module, { kind: "alias", alias: "stable" })).version;

  const early = resolve();
  await looked.promise;
  await resolver.changing(module, () =>
    setAlias(database, admin, { module, alias: "stable", version: 2 }, undefined),
  );
  moved.resolve();
  expect(await early).toBe(1);
  expect(await resolve()).toBe(2);
  expect(await resolve()).toBe(2);
  // The third time from memory.
  expect(lookUps).toBe(2);
});
