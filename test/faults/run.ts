/**
 * Faults without end, for as long as they are wanted:
 *
 *     node test/faults/run.ts kills --count 1000 --seconds 450 --database postgresql --seed 7
 *     node test/faults/run.ts kills --count 1000 --database postgresql --store versitygw
 *     node test/faults/run.ts steps --count 9000
 *     node test/faults/run.ts collection --count 1000000
 *
 * `kills` kills real processes: API, worker, PostgreSQL, an S3 server that has been built here. `steps` ends the API in
 * this process between two effects. `collection` takes and drops references beside collections (an operation is a
 * reference). Asked to end, the first two do so in good order. The last line is `N passed, N failed`, a fault counting
 * as one.
 */
import { parseArgs } from "node:util";
import { S3_SERVERS } from "@modulehub/api/testing/s3-servers";
import { runCollection } from "./collection.ts";
import { runKills } from "./kills.ts";
import { runSteps } from "./steps.ts";

const { values, positionals } = parseArgs({
  options: {
    count: { type: "string", default: "100" },
    seconds: { type: "string", default: "Infinity" },
    database: { type: "string", default: "embedded" },
    store: { type: "string", default: "folder" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
  },
  allowPositionals: true,
});
const [how = "kills"] = positionals;
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
const options = {
  seed: Number(values.seed),
  count: Number(values.count),
  time: Number(values.seconds) * 1_000,
  say: console.log,
  stop: stop.signal,
};
console.log(`${how}, seed ${values.seed}`);
try {
  if (how === "collection") {
    const { operations, ...rest } = await runCollection({ ...options, operations: options.count });
    console.log(JSON.stringify(rest));
    console.log(`${operations} passed, 0 failed`);
    process.exit();
  }
  const database = values.database === "postgresql" ? "postgresql" : "embedded";
  const store = S3_SERVERS.find((name) => name === values.store) ?? "folder";
  const { faults, ...rest } =
    how === "steps"
      ? await runSteps({ ...options, database })
      : await runKills({ ...options, database, store });
  for (const [fault, count] of [...faults].sort(([, a], [, b]) => b - a)) console.log(`${count} × ${fault}`);
  console.log(
    Object.entries(rest)
      .map(([name, count]) => `${name} ${count}`)
      .join(", "),
  );
  console.log(`${[...faults.values()].reduce((sum, count) => sum + count, 0)} passed, 0 failed`);
} catch (error) {
  console.error(error);
  console.log("0 passed, 1 failed");
  process.exitCode = 1;
}
