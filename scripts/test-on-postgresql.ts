/** Runs the API's whole suite on a real PostgreSQL. The last line is `N passed, N failed`. */
import { spawnSync } from "node:child_process";
import { startPostgresql } from "@modulehub/api/testing/postgresql-server";

const server = await startPostgresql();
if (server === undefined) {
  console.error("PostgreSQL is not installed: apt-get install postgresql");
  console.log("0 passed, 1 failed");
  process.exit(1);
}
try {
  const { status } = spawnSync(process.execPath, ["scripts/test.ts", "--project", "unit", "services/api"], {
    stdio: "inherit",
    env: { ...process.env, MODULEHUB_TEST_DATABASE_URL: server.url },
  });
  process.exitCode = status ?? 1;
} finally {
  await server.stop();
}
