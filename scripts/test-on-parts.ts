/**
 * Runs the end-to-end suite on the parts of docker-compose.yml, started by hand: PostgreSQL and HAProxy as the
 * distribution packages them, SeaweedFS built by scripts/build-s3-servers.ts. The last line is `N passed, N failed`.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { isBuilt } from "@modulehub/api/testing/s3-servers";

/** What does not run here, and why. */
const EMBEDDED: Record<string, string> = {
  "main-job": "is about npm start: its process, its data folder, its Ctrl-C",
  "killed-api": "kills an API of its own, on the embedded database",
  "full-disk": "fills the disk of an API of its own, below its data folder",
  "engine-kills": "starts a worker of its own, without a hub",
  "large-upload": "starts an API of its own, with a store that drops the bytes",
};

const lacking = [
  ...(isBuilt("weed") ? [] : ["SeaweedFS (node scripts/build-s3-servers.ts)"]),
  ...(spawnSync("haproxy", ["-v"]).status === 0 ? [] : ["HAProxy (apt-get install haproxy)"]),
];
if (lacking.length > 0) {
  console.error(`These parts are not here: ${lacking.join(", ")}.`);
  console.log("0 passed, 1 failed");
  process.exit(1);
}

const names = readdirSync("test/e2e").flatMap((file) => /^(.*)\.test\.ts$/.exec(file)?.[1] ?? []);
for (const name of names)
  if (EMBEDDED[name] !== undefined) console.log(`test/e2e/${name}.test.ts is left out: it ${EMBEDDED[name]}`);
const wanted = process.argv.slice(2);
const files = names
  .filter((name) => EMBEDDED[name] === undefined && (wanted.length === 0 || wanted.includes(name)))
  .map((name) => `test/e2e/${name}.test.ts`);
const { status } = spawnSync(process.execPath, ["scripts/test.ts", "--project", "e2e", ...files], {
  stdio: "inherit",
  env: { ...process.env, MODULEHUB_E2E: "parts" },
});
process.exitCode = status ?? 1;
