import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Answer, AnsweringHub } from "../answering-hub.ts";
import { runBin } from "../run-bin.ts";

/** Answers as docs/publishing.md says, of a module with versions 1 and 2. */
let hub: AnsweringHub;

const DIGEST = `sha256:${"ab".repeat(32)}`;
const AT = "2026-11-23T12:00:00.000Z";
const alias = (name: string, version: number) => ({ alias: name, version, digest: DIGEST, updatedAt: AT });

const ANSWERS: Record<string, Answer> = {
  'PUT /v1/modules/acme/words/aliases/stable {"version":2}': alias("stable", 2),
  'PUT /v1/modules/acme/words/aliases/stable {"version":9}': "version-not-found",
  "GET /v1/modules/acme/words/aliases": { items: [alias("beta", 2)], next: "n1" },
  "GET /v1/modules/acme/words/aliases?cursor=n1": { items: [alias("stable", 1)] },
  "DELETE /v1/modules/acme/words/aliases/stable": undefined,
  "DELETE /v1/modules/acme/words/aliases/stale": "alias-not-found",
  'POST /v1/modules/acme/words/versions/2/yank {"reason":"Wrong."}': {
    version: 2,
    digest: DIGEST,
    yanked: { reason: "Wrong.", at: AT },
  },
  "DELETE /v1/modules/acme/words/versions/2/yank": undefined,
};

beforeAll(async () => {
  hub = await AnsweringHub.start(ANSWERS);
});
beforeEach(() => hub.forget());
afterAll(() => hub[Symbol.asyncDispose]());

const run = (...args: string[]) => runBin(args, { MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: "secret" });

test.each([
  [["alias", "acme/words/2", "stable"], "acme/words@stable is acme/words/2\n"],
  [["alias", "acme/words/2", "stable", "--json"], `${JSON.stringify(alias("stable", 2))}\n`],
  [["alias", "--list", "acme/words"], "acme/words@beta  acme/words/2\nacme/words@stable  acme/words/1\n"],
  [
    ["alias", "--list", "acme/words", "--json"],
    `${JSON.stringify({ items: [alias("beta", 2), alias("stable", 1)] })}\n`,
  ],
  [["alias", "--remove", "acme/words@stable"], "Removed acme/words@stable\n"],
  [
    ["alias", "--remove", "acme/words@stable", "--json"],
    '{"module":"acme/words","alias":"stable","removed":true}\n',
  ],
  [["yank", "acme/words/2", "--reason", "Wrong."], "Yanked acme/words/2: Wrong.\n"],
  [
    ["yank", "acme/words/2", "--reason", "Wrong.", "--json"],
    `{"version":2,"digest":"${DIGEST}","yanked":{"reason":"Wrong.","at":"${AT}"}}\n`,
  ],
  [["yank", "--undo", "acme/words/2"], "acme/words/2 is back\n"],
])("modulehub %j does what it says, and prints it", async (args, printed) => {
  const { code, stdout, stderr } = await run(...args);
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: printed, stderr: "" });
});

test.each([
  [["alias", "acme/words/9", "stable"], "version-not-found"],
  [["alias", "--remove", "acme/words@stale"], "alias-not-found"],
])("what the hub refuses exits with 1 and its code: %j", async (args, problem) => {
  const { code, stderr, stdout } = await run(...args);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain(`code ${problem}`);
});

test.each([
  [["alias", "acme/words", "stable"], 1, "Name the version by its number: acme/words/3."],
  [["alias", "acme/words@beta", "stable"], 1, "Name the version by its number"],
  [["alias", "acme/words/2", "latest"], 1, "not latest, main, HEAD"],
  [["alias", "acme/words/2"], 2, "The alias is missing"],
  [["alias", "--list", "acme/words/2"], 2, "--list takes a module"],
  [["alias", "--list", "--remove", "acme/words"], 2, "Either --list or --remove"],
  [["alias", "--remove", "acme/words/2"], 2, "--remove takes an alias"],
  [["alias", "--remove", "acme/words@stable", "stable"], 2, "--remove takes no second argument"],
  [["yank", "acme/words/2"], 2, "Say why"],
  [["yank", "acme/words/2", "--reason", " "], 2, "Say why"],
  [["yank", "acme/words/2", "--undo", "--reason", "No."], 2, "--undo takes no --reason"],
  [["yank", "acme/words@stable", "--reason", "No."], 1, "Name the version by its number"],
])("what can't be meant is refused before the hub is asked: %j", async (args, status, said) => {
  const { code, stderr, stdout } = await run(...args);
  expect({ code, stdout }).toEqual({ code: status, stdout: "" });
  expect(stderr).toContain(said);
  expect(hub.asked).toEqual([]);
});
