import { expect, test } from "vitest";
import { openDatabase } from "./client.ts";
import { isConnectionFailure } from "./query-errors.ts";

test("a database that can't be reached is told from a query that is wrong, for models and raw SQL", async () => {
  // Port 1 of this machine, where nothing listens.
  const away = await openDatabase({ kind: "postgresql", url: "postgres://nobody@127.0.0.1:1/none" });
  const errorOf = (query: Promise<unknown>) =>
    query.then(
      () => expect.unreachable(),
      (error: unknown) => error,
    );
  expect(isConnectionFailure(await errorOf(away.prisma.module.findFirst()))).toBe(true);
  expect(isConnectionFailure(await errorOf(away.prisma.$queryRaw`SELECT 1`))).toBe(true);
  expect(isConnectionFailure(await errorOf(away.prisma.$transaction(async () => 1)))).toBe(true);
  await away.close();
  const here = await openDatabase({ kind: "memory" });
  expect(isConnectionFailure(await errorOf(here.prisma.$queryRaw`SELECT broken`))).toBe(false);
  await here.close();
}, 30_000);
