import { afterAll, beforeAll, expect, test } from "vitest";
import { AnsweringHub } from "../answering-hub.ts";
import { runBin } from "../run-bin.ts";

const AT = "2026-11-23T12:00:00.000Z";
const acme = { id: "acme", displayName: "Acme\nResearch", createdAt: AT };
let hub: AnsweringHub;

beforeAll(async () => {
  hub = await AnsweringHub.start({
    "GET /v1/publishers?limit=100": { items: [acme], next: "n1" },
    "GET /v1/publishers?cursor=n1&limit=100": { items: [{ ...acme, id: "other", displayName: "Other" }] },
    'POST /v1/publishers {"id":"acme","displayName":"Acme","owner":"ada"}': { ...acme, displayName: "Acme" },
    'POST /v1/publishers {"id":"taken"}': "name-taken",
    'PATCH /v1/publishers/acme {"displayName":"Acme Labs"}': { ...acme, displayName: "Acme Labs" },
    "GET /v1/publishers/acme/quota": { publisher: "acme", used: 2_500_000 },
    'PUT /v1/publishers/acme/quota {"bytes":500000000000}': { publisher: "acme", used: 9, quota: 5e11 },
    'PUT /v1/publishers/acme/quota {"bytes":null}': { publisher: "acme", used: 9 },
    "DELETE /v1/publishers/acme": undefined,
    "DELETE /v1/publishers/full": "publisher-not-empty",
  });
});
afterAll(() => hub[Symbol.asyncDispose]());

const run = (...args: string[]) =>
  runBin(args, { MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: "secret", TZ: "UTC" });

test.each([
  [["publishers", "list"], "acme\tAcme Research\t2026-11-23 12:00\nother\tOther\t2026-11-23 12:00\n"],
  [["publishers", "create", "acme", "--name", "Acme", "--owner", "ada"], "Created acme\n"],
  [["publishers", "rename", "acme", "Acme Labs"], "acme is called Acme Labs\n"],
  [["publishers", "quota", "acme"], "acme keeps 2.5 MB without a limit\n"],
  [["publishers", "quota", "acme", "500GB"], "acme keeps 9 bytes of 500 GB\n"],
  [["publishers", "quota", "acme", "none"], "acme keeps 9 bytes without a limit\n"],
  [["publishers", "delete", "acme", "--yes"], "Deleted acme\n"],
  [["publishers", "delete", "acme", "--yes", "--json"], '{"publisher":"acme","deleted":true}\n'],
])("modulehub %j does what it says, and prints it", async (args, printed) => {
  expect(await run(...args)).toEqual({ code: 0, stdout: printed, stderr: "" });
});

test.each([
  [["publishers", "quota", "acme", "much"], 2, "A quota is a number of bytes, such as 500GB, or none"],
  [["publishers", "create", "taken"], 1, "code name-taken"],
  [["publishers", "delete", "full", "--yes"], 1, "code publisher-not-empty"],
  [["publishers", "delete", "acme"], 2, "To delete acme for good, add --yes."],
])("modulehub %j is refused with %i and a reason", async (args, code, said) => {
  const result = await run(...args);
  expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: "" });
  expect(result.stderr).toContain(said);
});
