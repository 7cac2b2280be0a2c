/**
 * Kills parts of a hub: `node test/faults/run.ts --count 1000 --seconds 450 --database postgresql --seed 7`. The last
 * line is `N passed, N failed`, a kill counting as one.
 */
import { parseArgs } from "node:util";
import { runKills } from "./kills.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "100" },
    seconds: { type: "string" },
    database: { type: "string", default: "embedded" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
  },
});
const database = values.database === "postgresql" ? "postgresql" : "embedded";
console.log(`seed ${values.seed}, ${database}`);
try {
  const { kills, answered, unanswered, versions } = await runKills({
    seed: Number(values.seed),
    count: Number(values.count),
    ...(values.seconds !== undefined && { time: Number(values.seconds) * 1_000 }),
    database,
    say: console.log,
  });
  console.log(
    `${[...kills].map(([part, count]) => `${part} ${count}`).join(", ")}; ${answered} changes answered, ${unanswered} not; ${versions} versions`,
  );
  console.log(`${[...kills.values()].reduce((sum, count) => sum + count, 0)} passed, 0 failed`);
} catch (error) {
  console.error(error);
  console.log("0 passed, 1 failed");
  process.exitCode = 1;
}
