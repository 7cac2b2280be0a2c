import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { AnsweringHub } from "../answering-hub.ts";
import { runBin } from "../run-bin.ts";

let hub: AnsweringHub;

beforeAll(async () => {
  hub = await AnsweringHub.start({
    "DELETE /v1/modules/acme/words/versions/3": undefined,
    "DELETE /v1/modules/acme/words/versions/4": "version-in-use",
    "DELETE /v1/modules/acme/words/versions/4?force=true": undefined,
    "DELETE /v1/modules/acme/words?reason=Moved.": undefined,
  });
});
beforeEach(() => hub.forget());
afterAll(() => hub[Symbol.asyncDispose]());

const run = (...args: string[]) =>
  runBin(["delete", ...args], { MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: "secret" }, "acme/words/3\n");

test.each([
  [["acme/words/3", "--yes"], "Deleted acme/words/3\n"],
  [["acme/words/4", "--yes", "--force"], "Deleted acme/words/4\n"],
  [["acme/words", "--yes", "--reason", "Moved.", "--json"], '{"handle":"acme/words","deleted":true}\n'],
])("modulehub delete %j deletes, and says so", async (args, printed) => {
  expect(await run(...args)).toEqual({ code: 0, stdout: printed, stderr: "" });
});

test("a version that aliases stand for is deleted only with --force", async () => {
  const { code, stderr } = await run("acme/words/4", "--yes");
  expect(code).toBe(1);
  expect(stderr).toContain("code version-in-use");
});

test.each([
  [["acme/words/3"], "To delete acme/words/3 for good, add --yes."],
  [["acme/words@stable", "--yes"], "Name a version by its number, acme/words/3, or the whole module"],
  [["acme/words", "--yes", "--force"], "--force is for a version."],
])("modulehub delete %j deletes nothing", async (args, said) => {
  const { code, stdout, stderr } = await run(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(said);
  expect(hub.asked).toEqual([]);
});
