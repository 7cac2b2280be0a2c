/**
 * `npm run bench -- NAME [--json]`: measurements as ratios or differences against a baseline that runs
 * beside them, on the same machine in the same minute. With --json the last line is an object. README.md says what
 * the other options are.
 */
import { parseArgs } from "node:util";
import type { BenchOptions, Figures } from "./options.ts";

const BENCHES: Record<string, () => Promise<{ run(options: BenchOptions): Promise<Figures> }>> = {
  download: () => import("./download.ts"),
  durability: () => import("./durability.ts"),
  gateway: () => import("./gateway.ts"),
  "read-model": () => import("./read-model.ts"),
  search: () => import("./search.ts"),
  serving: () => import("./serving/serving.ts"),
  training: () => import("./training/training.ts"),
};

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    only: { type: "string" },
    pairs: { type: "string" },
    quick: { type: "boolean" },
    count: { type: "string" },
    rivals: { type: "string" },
    imdb: { type: "string" },
    photos: { type: "string" },
  },
});
const bench = BENCHES[positionals[0] ?? ""];
if (!bench) {
  console.error(`Name one of: ${Object.keys(BENCHES).join(", ")}.`);
  process.exitCode = 2;
} else {
  const { only, quick, pairs, count, rivals, imdb, photos } = values;
  const figures = await (await bench()).run({
    only,
    quick,
    pairs: pairs === undefined ? undefined : Number(pairs),
    count: count === undefined ? undefined : Number(count),
    rivals,
    imdb,
    photos,
  });
  for (const [name, value] of Object.entries(figures))
    console.log(`${name.padEnd(40)} ${value.toPrecision(4)}`);
  if (values.json) console.log(JSON.stringify(figures));
}
