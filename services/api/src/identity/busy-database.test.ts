import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Database, openDatabase } from "../database/client.ts";
import { migrate } from "../database/migrate.ts";
import { inTransaction } from "../database/transaction.ts";
import { forgetJobs } from "../jobs/retention.ts";
import { changeAccount, createAccount } from "./accounts.ts";
import { ADMIN } from "./principal.ts";
import { closeSession, openSession } from "./sessions.ts";
import { createToken, revokeToken } from "./tokens.ts";

let database: Database;
beforeAll(async () => {
  database = await openDatabase({ kind: "memory" });
  await migrate(database);
}, 60_000);
afterAll(() => database.close());

test("signing in and out, tokens, accounts and old jobs wait for a change that holds the embedded database's one connection", async () => {
  const { id, token } = await createToken(database, ADMIN, { name: "laptop" });
  const session = await openSession(database, ADMIN, token);
  const held = Promise.withResolvers<void>();
  // Longer than Prisma lets a transaction wait for its beginning, unless it is told otherwise: 2 s.
  const change = inTransaction(database, async (tx) => {
    await tx.$executeRaw`SELECT 1`;
    held.resolve();
    await sleep(3_000);
  });
  await held.promise;
  const waiting = [
    openSession(database, ADMIN, token),
    revokeToken(database, ADMIN, id),
    createAccount(database, ADMIN, { id: "ada" }),
    changeAccount(database, ADMIN, "admin", { displayName: "Admin" }),
    forgetJobs(database, 3_600),
    closeSession(database, session),
  ];
  expect((await Promise.allSettled(waiting)).map(({ status }) => status)).toEqual(
    waiting.map(() => "fulfilled"),
  );
  await change;
});
