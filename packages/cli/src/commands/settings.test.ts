import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { AnsweringHub } from "../answering-hub.ts";
import { runBin } from "../run-bin.ts";

const moduleNamed = (module: string, visibility: string) => ({
  module,
  publisher: "acme",
  visibility,
  createdAt: "2026-11-23T12:00:00.000Z",
});

let hub: AnsweringHub;

beforeAll(async () => {
  hub = await AnsweringHub.start({
    'PUT /v1/modules/acme/words {"visibility":"private"}': moduleNamed("acme/words", "private"),
    'PUT /v1/modules/acme/words {"module":"acme/vectors"}': moduleNamed("acme/vectors", "public"),
    'PUT /v1/modules/acme/words {"module":"acme/taken"}': "name-taken",
  });
});
beforeEach(() => hub.forget());
afterAll(() => hub[Symbol.asyncDispose]());

const run = (...args: string[]) =>
  runBin(["settings", ...args], { MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: "secret" });

test.each([
  [["acme/words", "--visibility", "private"], "acme/words is private\n"],
  [["acme/words", "--rename", "acme/vectors"], "acme/words is acme/vectors now\nacme/vectors is public\n"],
  [
    ["acme/words", "--visibility", "private", "--json"],
    `${JSON.stringify(moduleNamed("acme/words", "private"))}\n`,
  ],
])("modulehub settings %j changes just that, and says so", async (args, printed) => {
  expect(await run(...args)).toEqual({ code: 0, stdout: printed, stderr: "" });
});

test("a name that is taken is refused by the hub", async () => {
  const { code, stderr } = await run("acme/words", "--rename", "acme/taken");
  expect(code).toBe(1);
  expect(stderr).toContain("code name-taken");
});

test.each([
  [["acme/words"], 2, "Say what is to be changed: --visibility public|private, --rename publisher/name."],
  [["acme/words/3", "--visibility", "private"], 2, "settings takes a module, without a version: acme/words"],
  [["acme/words", "--visibility", "secret"], 2, "Allowed choices are public, private."],
  [["acme/words", "--rename", "acme/Not A Name"], 1, "code invalid-"],
])("modulehub settings %j is refused before the hub is asked", async (args, code, said) => {
  const result = await run(...args);
  expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: "" });
  expect(result.stderr).toContain(said);
  expect(hub.asked).toEqual([]);
});
