import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Answer, AnsweringHub } from "../answering-hub.ts";
import { runBin } from "../run-bin.ts";

const AT = "2026-11-23T12:00:00.000Z";
const DIGEST = `sha256:${"ab".repeat(32)}`;
const listed = {
  id: "d1",
  state: "failed",
  module: "acme/words",
  files: 3,
  bytes: 3_700_000,
  problems: ["worker-unavailable"],
  createdAt: AT,
  updatedAt: AT,
  expiresAt: AT,
};
const published = { id: "d1", state: "published", module: "acme/words", version: 4, digest: DIGEST };
const problem = { type: "about:blank", title: "Refused", status: 422, detail: "No ONNX.", code: "not-onnx" };
const rejected = { id: "d2", state: "rejected", module: "acme/words", problems: [problem] };

// It has no events; then the draft is asked for.
const ANSWERS: Record<string, Answer> = {
  "GET /v1/drafts?limit=100&module=acme%2Fwords&state=failed": { items: [listed] },
  "POST /v1/drafts/d1/publish": { ...published, state: "verifying", version: undefined },
  "GET /v1/drafts/d1": published,
  "POST /v1/drafts/d2/publish": { ...rejected, state: "verifying", problems: [] },
  "GET /v1/drafts/d2": rejected,
  "DELETE /v1/drafts/d1": { ...listed, state: "cancelled", problems: [] },
};

let hub: AnsweringHub;

beforeAll(async () => {
  hub = await AnsweringHub.start(ANSWERS);
});
beforeEach(() => hub.forget());
afterAll(() => hub[Symbol.asyncDispose]());

const run = (line: string) =>
  runBin(line.split(" "), { MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: "secret", TZ: "UTC" });

test.each([
  [
    "drafts list acme/words --state failed",
    "d1\tfailed\tacme/words\t3.7 MB\t2026-11-23 12:00\tworker-unavailable\n",
  ],
  ["drafts list acme/words --state failed --json", `${JSON.stringify({ items: [listed], more: false })}\n`],
  ["drafts publish d1", "Draft d1 is published as acme/words/4\n"],
  ["drafts publish d1 --json", `${JSON.stringify(published)}\n`],
  ["drafts cancel d1", "Draft d1 is cancelled\n"],
])("modulehub %s does what it says, and prints it", async (line, printed) => {
  expect(await run(line)).toEqual({ code: 0, stdout: printed, stderr: "" });
});

test("a draft that is rejected exits with 1, and says why", async () => {
  const { code, stdout, stderr } = await run("drafts publish d2");
  expect({ code, stdout }).toEqual({ code: 1, stdout: "Draft d2 is rejected\n" });
  expect(stderr).toBe("modulehub: No ONNX.\n  (code not-onnx)\n");
});
