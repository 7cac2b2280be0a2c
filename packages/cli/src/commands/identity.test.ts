import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Answer, AnsweringHub } from "../answering-hub.ts";
import { type BinResult, runBin } from "../run-bin.ts";

const AT = "2026-11-23T12:00:00.000Z";
const me = {
  account: "ada",
  displayName: "Ada",
  admin: false,
  roles: { acme: "owner" },
  token: { id: "t1", name: "laptop", role: "writer", expiresAt: AT },
};
const token = { id: "t2", account: "ada", kind: "token", name: "ci", role: "reader", createdAt: AT };
const member = { account: "bob", displayName: "Bob", role: "writer", createdAt: AT };
const account = { id: "eve", displayName: "Eve", createdAt: AT };

const ANSWERS: Record<string, Answer> = {
  "GET /v1/me": me,
  "DELETE /v1/tokens/t1": undefined,
  "DELETE /v1/tokens/t9": "token-not-found",
  'POST /v1/tokens {"name":"ci","role":"reader","publisher":"acme"}': { ...token, token: "mh_secret" },
  "GET /v1/tokens?limit=100": { items: [token] },
  "GET /v1/publishers/acme/members?limit=100": { items: [member] },
  'PUT /v1/publishers/acme/members/bob {"role":"writer"}': member,
  "DELETE /v1/publishers/acme/members/bob": undefined,
  "GET /v1/accounts?limit=100": { items: [account] },
  'POST /v1/accounts {"id":"eve","displayName":"Eve"}': account,
  'PATCH /v1/accounts/eve {"disabled":true}': { ...account, disabledAt: AT },
};

let hub: AnsweringHub;
let config: string;

beforeAll(async () => {
  hub = await AnsweringHub.start(ANSWERS);
});
beforeEach(async () => {
  hub.forget();
  config = await mkdtemp(join(tmpdir(), "modulehub-config-"));
});
afterEach(() => rm(config, { recursive: true }));
afterAll(() => hub[Symbol.asyncDispose]());

const file = () => join(config, "modulehub", "credentials.json");
const run = (args: string[], input = "", environment: Record<string, string> = {}): Promise<BinResult> =>
  runBin(args, { XDG_CONFIG_HOME: config, TZ: "UTC", ...environment }, input);
const login = () => run(["login", "--url", hub.url], "secret\n");

test("login keeps a token that the hub knows, for its owner alone, and later commands use both", async () => {
  expect(await login()).toEqual({ code: 0, stdout: `Logged in to ${hub.url} as ada\n`, stderr: "" });
  expect((await stat(file())).mode & 0o777).toBe(0o600);
  expect((await stat(join(config, "modulehub"))).mode & 0o777).toBe(0o700);
  hub.forget();
  const { stdout } = await run(["whoami"]);
  expect(stdout).toBe(
    `ada, at ${hub.url}\n  token laptop: at most writer, until 2026-11-23 12:00\n  owner of acme\n`,
  );
  expect(hub.tokens).toEqual(["secret"]);
});

test("a token of the command line goes before that of the environment, and that before the kept one", async () => {
  await login();
  hub.forget();
  await run(["whoami"], "", { MODULEHUB_TOKEN: "environment" });
  await run(["whoami", "--token", "option"], "", { MODULEHUB_TOKEN: "environment" });
  expect(hub.tokens).toEqual(["environment", "option"]);
});

test("a token kept for one hub is not sent to another", async () => {
  await login();
  await using other = await AnsweringHub.start(ANSWERS);
  await run(["whoami", "--url", other.url]);
  expect(other.tokens).toEqual([undefined]);
});

test("a token that the hub refuses is not kept, and an empty input is told", async () => {
  await using strict = await AnsweringHub.start({ "GET /v1/me": "unauthenticated" });
  const refused = await run(["login", "--url", strict.url], "wrong");
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("code unauthenticated");
  const empty = await run(["login", "--url", hub.url]);
  expect(empty.code).toBe(2);
  expect(empty.stderr).toContain("No token was given.");
  await expect(stat(file())).rejects.toThrow("ENOENT");
});

test("logout forgets the token and the hub, and revokes it where that is wanted", async () => {
  await login();
  expect((await run(["logout"])).stdout).toBe(`Logged out of ${hub.url}\n`);
  expect(JSON.parse(await readFile(file(), "utf8"))).toEqual({ hubs: {} });
  expect(hub.asked).not.toContain("DELETE /v1/tokens/t1");
  await login();
  expect((await run(["logout", "--revoke"])).stdout).toContain("its token is revoked");
  expect(hub.asked).toContain("DELETE /v1/tokens/t1");
  expect((await run(["logout", "--url", hub.url])).stdout).toBe(`There was no login to ${hub.url}.\n`);
});

test("credentials that are damaged are told with what to do", async () => {
  await login();
  await writeFile(file(), "{");
  const { code, stderr } = await run(["whoami"]);
  expect(code).toBe(1);
  expect(stderr).toContain("credentials.json is damaged. Remove it and log in again.");
});

const command = (line: string, input = "") =>
  run(line.split(" "), input, { MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: "secret" });

test.each([
  ["tokens list", "t2\tci\treader\t\t2026-11-23 12:00\t\t\n"],
  ["tokens list --json", `${JSON.stringify({ items: [token], more: false })}\n`],
  ["tokens revoke t1", "Revoked t1\n"],
  ["members list acme", "bob\twriter\tBob\t2026-11-23 12:00\n"],
  ["members set acme bob --role writer", "bob is writer of acme\n"],
  ["members remove acme bob", "bob is no member of acme any more\n"],
  ["accounts list", "eve\tEve\t2026-11-23 12:00\t\n"],
  [
    "accounts create eve --name Eve",
    "Created eve\nIts first token: modulehub tokens create NAME --account eve\n",
  ],
  ["accounts disable eve --json", `${JSON.stringify({ ...account, disabledAt: AT })}\n`],
])("modulehub %s does what it says, and prints it", async (line, printed) => {
  expect(await command(line)).toEqual({ code: 0, stdout: printed, stderr: "" });
});

test("a new token is all that is printed, so that it can be piped on", async () => {
  const { stdout, stderr } = await command("tokens create ci --role reader --publisher acme");
  expect(stdout).toBe("mh_secret\n");
  expect(stderr).toContain("it is not shown again");
});

test.each([
  ["tokens revoke t9", 1, "code token-not-found"],
  ["tokens create ci --role king", 2, "Allowed choices are admin, owner, writer, reader."],
  ["tokens create ci --days 0", 2, "--days takes a number from 1 to 9999"],
  ["members set acme bob", 2, "required option '--role <role>' not specified"],
  ["tokens", 2, "Usage: modulehub tokens"],
])("modulehub %s is refused with %i and a reason", async (line, code, said) => {
  const result = await command(line);
  expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: "" });
  expect(result.stderr).toContain(said);
});
