/**
 * `npm run bench -- NAME [--json]`: measurements as ratios or differences against a baseline that runs
 * beside them, on the same machine in the same minute. With --json the last line is an object.
 */
import { parseArgs } from "node:util";

const BENCHES: Record<string, () => Promise<{ run(): Promise<Record<string, number>> }>> = {
  download: () => import("./download.ts"),
  gateway: () => import("./gateway.ts"),
  "read-model": () => import("./read-model.ts"),
  search: () => import("./search.ts"),
};

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false } },
});
const bench = BENCHES[positionals[0] ?? ""];
if (!bench) {
  console.error(`Name one of: ${Object.keys(BENCHES).join(", ")}.`);
  process.exitCode = 2;
} else {
  const figures = await (await bench()).run();
  for (const [name, value] of Object.entries(figures))
    console.log(`${name.padEnd(40)} ${value.toPrecision(4)}`);
  if (values.json) console.log(JSON.stringify(figures));
}
