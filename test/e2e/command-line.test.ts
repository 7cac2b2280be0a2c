import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { goodModule, manifest } from "../fixtures/hostile-modules.ts";
import { model, node, value } from "../fixtures/raw-graph.ts";
import {
  type CommandResult,
  call,
  cleanUp,
  command,
  ROOT,
  type RunningHub,
  startHub,
  temporaryFolder,
} from "./hub.ts";

/**
 * The real command against a real hub, once through: an account is made, logs in, publishes, is found, edits, withdraws
 * and deletes, until its token is revoked. Each test goes on where the one before ended.
 */

let hub: RunningHub;
let home: string;
/** Where version 1 and 2 of ada/relu come from. */
let first: string;
let second: string;

const README =
  "---\ntitle: Rectifier\nlicense: mit\nlanguage: en\ntags:\n  - rectifier\n---\n# Rectifier\n\nNegative numbers become zero.\n";

beforeAll(async () => {
  hub = await startHub({ examples: false });
  home = temporaryFolder();
  first = folder("first", { ...goodModule(), "README.md": Buffer.from(README) });
  second = folder("second", {
    "module.json": manifest(),
    "model.onnx": model({
      nodes: [node("Abs", ["x"], ["y"])],
      inputs: [value("x", "float32", ["batch", 4])],
      outputs: [value("y", "float32", ["batch", 4])],
    }),
    "README.md": Buffer.from(README),
  });
});
afterAll(cleanUp);

function folder(name: string, files: Record<string, Uint8Array>): string {
  const path = join(home, name);
  mkdirSync(path);
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(path, file), bytes);
  return path;
}

const BIN = join(ROOT, "packages/cli/bin/modulehub.js");

/** As the person at this machine, who has what login kept and nothing else: empty settings count as absent. */
const run = (args: readonly string[], input = "", environment: Record<string, string> = {}) =>
  command(
    process.execPath,
    [BIN, ...args],
    {
      MODULEHUB_URL: "",
      MODULEHUB_TOKEN: "",
      MODULEHUB_DATA: join(home, "no-hub-here"),
      XDG_CONFIG_HOME: home,
      TZ: "UTC",
      ...environment,
    },
    input,
  );
const admin = (...args: string[]) => run(args, "", { MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: hub.token });
const ada = (...args: string[]) => run(args);
/** Without any token. */
const anyone = (...args: string[]) =>
  run(args, "", { MODULEHUB_URL: hub.url, XDG_CONFIG_HOME: join(home, "nobody") });

/** What a command printed that went well. */
async function printed(ran: Promise<CommandResult>): Promise<string> {
  const { code, stdout, stderr } = await ran;
  expect(code, stderr).toBe(0);
  return stdout;
}
const json = async (ran: Promise<CommandResult>) => JSON.parse(await printed(ran));

/** What a command said that was refused, with its exit code before it. */
async function refusal(ran: Promise<CommandResult>): Promise<string> {
  const { code, stdout, stderr } = await ran;
  expect(stdout).toBe("");
  return `${code} ${stderr}`;
}

test("the admin makes an account and its first token, with which it logs in", async () => {
  expect(await printed(admin("accounts", "create", "ada", "--name", "Ada"))).toMatch(/^Created ada\n/);
  expect(await printed(admin("accounts", "create", "bob"))).toMatch(/^Created bob\n/);
  expect(await printed(admin("accounts", "list"))).toMatch(/^ada\tAda\t.*\t\nadmin\t.*\nbob\tbob\t/);
  const token = await printed(admin("tokens", "create", "laptop", "--account", "ada", "--days", "9"));
  expect(token).toMatch(/^\S+\n$/);
  expect(await printed(run(["login", "--url", hub.url], token))).toBe(`Logged in to ${hub.url} as ada\n`);
  expect(await printed(ada("whoami"))).toMatch(/^ada, at \S+\n {2}token laptop: at most owner, until /);
});

test("an owner makes a publisher, and members of it", async () => {
  expect(await printed(ada("publishers", "create", "ada", "--name", "Ada's"))).toBe("Created ada\n");
  expect(await printed(ada("publishers", "rename", "ada", "Ada & Co"))).toBe("ada is called Ada & Co\n");
  expect((await json(anyone("publishers", "list", "--json"))).items).toMatchObject([
    { id: "ada", displayName: "Ada & Co" },
  ]);
  expect(await printed(ada("members", "set", "ada", "bob", "--role", "writer"))).toBe(
    "bob is writer of ada\n",
  );
  expect(await printed(ada("members", "list", "ada"))).toMatch(/^ada\towner\tAda\t.*\nbob\twriter\tbob\t/);
  expect(await printed(ada("members", "remove", "ada", "bob"))).toContain("bob is no member");
  expect(await refusal(ada("members", "remove", "ada", "ada"))).toMatch(/^1 .*\(code last-owner/s);
  expect(await refusal(ada("members", "set", "ada", "eve", "--role", "reader"))).toContain(
    "There is no account eve",
  );
});

test("what is published is found by words and filters, and by nothing else", async () => {
  expect(await printed(ada("publish", first, "ada/relu"))).toMatch(/^Published ada\/relu\/1 {2}sha256:/);
  expect(await json(ada("publish", second, "ada/relu", "--alias", "beta", "--json"))).toMatchObject({
    handle: "ada/relu/2",
    version: 2,
  });
  const line = expect.stringMatching(/^ada\/relu\t2\tother\t[\d: -]+\tRectifier\n$/);
  expect(await printed(anyone("list", "--publisher", "ada", "--dtype", "float32"))).toEqual(line);
  expect(
    await printed(
      anyone("search", "negative", "--license", "mit", "--input", "x:float32", "--tag", "rectifier"),
    ),
  ).toEqual(line);
  expect(await anyone("search", "negative", "--license", "apache-2.0")).toEqual({
    code: 0,
    stdout: "",
    stderr: 'Nothing is found for "negative".\n',
  });
  const shown = await printed(anyone("show", "ada/relu"));
  expect(shown).toMatch(/^ada\/relu\/2\n {2}title {6}Rectifier\n {2}task {7}other\n {2}license {4}mit\n/);
  expect(shown).toContain("aliases    beta\n");
  const versions = await printed(anyone("versions", "ada/relu"));
  expect(versions.split("\n").map((each) => each.split("\t")[0])).toEqual(["ada/relu/2", "ada/relu/1", ""]);
  expect(await refusal(anyone("show", "ada/relu/3"))).toMatch(/^1 modulehub: .*\(code version-not-found/s);
});

test("what is downloaded is what was published, byte by byte", async () => {
  const to = join(home, "downloaded");
  const digest = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");
  const downloaded = await json(anyone("download", "ada/relu/1", "--to", to, "--json"));
  const resolved = await json(anyone("resolve", "ada/relu/1", "--json"));
  expect(downloaded).toEqual({ handle: "ada/relu/1", version: 1, digest: resolved.digest, folder: to });
  const files = readdirSync(first).sort();
  expect(readdirSync(to).sort()).toEqual(files);
  for (const file of files) {
    expect(digest(join(to, file)), file).toBe(digest(join(first, file)));
    const listed = resolved.files.find(({ path }: { path: string }) => path === file);
    expect(listed.digest).toBe(`sha256:${digest(join(to, file))}`);
  }
});

test("documentation is printed and edited, and an edit of an old state refused", async () => {
  expect(await printed(anyone("docs", "ada/relu/1"))).toBe(README);
  const edited = join(home, "README.md");
  writeFileSync(edited, README.replace("become zero", "are cut off"));
  const { revision } = await json(anyone("docs", "ada/relu/1", "--json"));
  const set = ["docs", "ada/relu/1", "--set", edited];
  expect(await printed(ada(...set, "--message", "Shorter"))).toBe(
    `ada/relu/1 has revision ${revision + 1} of its documentation\n`,
  );
  expect(await printed(anyone("docs", "ada/relu/1"))).toContain("are cut off");
  expect(await printed(anyone("docs", "ada/relu/1", "--revision", String(revision)))).toBe(README);
  const history = (await printed(anyone("docs", "ada/relu/1", "--history"))).split("\n");
  expect(history[0]).toMatch(new RegExp(`^${revision + 1}\\t[\\d: -]+\\tada\\tShorter\\tREADME\\.md$`));
  writeFileSync(edited, "# Something else\n");
  expect(await refusal(ada(...set, "--base", String(revision)))).toMatch(
    new RegExp(
      `^1 modulehub: The documentation is at revision ${revision + 1}, not ${revision};.*conflict`,
      "s",
    ),
  );
});

test("aliases are moved and taken away", async () => {
  expect(await printed(ada("alias", "ada/relu/1", "stable"))).toBe("ada/relu@stable is ada/relu/1\n");
  expect(await printed(ada("alias", "--list", "ada/relu"))).toBe(
    "ada/relu@beta  ada/relu/2\nada/relu@stable  ada/relu/1\n",
  );
  expect(await printed(ada("alias", "--remove", "ada/relu@beta"))).toBe("Removed ada/relu@beta\n");
  expect(await printed(anyone("resolve", "ada/relu@stable"))).toMatch(/^ada\/relu\/1\n/);
});

test("who uses a version that was withdrawn is told, until it is back", async () => {
  expect(await printed(ada("yank", "ada/relu/2", "--reason", "It is no rectifier."))).toBe(
    "Yanked ada/relu/2: It is no rectifier.\n",
  );
  expect(await printed(anyone("resolve", "ada/relu"))).toMatch(/^ada\/relu\/1\n/);
  const warning = /^Warning: ada\/relu\/2 was yanked [\d: -]+: It is no rectifier\.$/m;
  const downloaded = await anyone("download", "ada/relu/2", "--to", join(home, "yanked"), "--json");
  expect(downloaded.stderr).toMatch(warning);
  expect(JSON.parse(downloaded.stdout).yanked).toMatchObject({ reason: "It is no rectifier." });
  expect((await anyone("resolve", "ada/relu/2")).stderr).toMatch(warning);
  expect(await printed(anyone("show", "ada/relu/2"))).toMatch(/ yanked {5}[\d: -]+: It is no rectifier\.\n/);
  expect(await printed(ada("yank", "--undo", "ada/relu/2"))).toBe("ada/relu/2 is back\n");
  expect(await anyone("resolve", "ada/relu")).toMatchObject({
    stdout: expect.stringMatching(/^ada\/relu\/2\n/),
    stderr: "",
  });
});

test("a draft that is on its way is listed and cancelled", async () => {
  const opened = await call(hub, "POST", "/v1/modules/ada/relu/drafts", {
    files: [
      { path: "module.json", size: 8, digest: `sha256:${"ab".repeat(32)}` },
      { path: "model.onnx", size: 9, digest: `sha256:${"cd".repeat(32)}` },
    ],
  });
  expect(opened.status).toBe(201);
  const { id } = (await opened.json()) as { id: string };
  expect(await printed(ada("drafts", "list", "ada/relu", "--state", "uploading"))).toMatch(
    new RegExp(`^${id}\\tuploading\\tada/relu\\t17 bytes\\t[\\d: -]+\\t\\n$`),
  );
  expect(await printed(ada("drafts", "cancel", id))).toBe(`Draft ${id} is cancelled\n`);
  expect(
    (await json(ada("drafts", "list", "ada/relu", "--state", "published", "--json"))).items,
  ).toHaveLength(2);
  expect(await refusal(anyone("drafts", "cancel", id))).toMatch(/^1 /);
});

test("a module is hidden, shown and renamed; its old name leads to it", async () => {
  expect(await printed(ada("settings", "ada/relu", "--visibility", "private"))).toBe("ada/relu is private\n");
  expect(await refusal(anyone("show", "ada/relu"))).toMatch(/^1 modulehub: .*not-found/s);
  expect(await printed(anyone("list"))).toBe("");
  expect(
    await printed(ada("settings", "ada/relu", "--visibility", "public", "--rename", "ada/rectifier")),
  ).toBe("ada/relu is ada/rectifier now\nada/rectifier is public\n");
  expect(await printed(anyone("show", "ada/relu/1"))).toMatch(/^ada\/rectifier\/1\n/);
  expect(await printed(anyone("download", "ada/relu/1", "--to", join(home, "renamed")))).toContain(
    "Downloaded ada/rectifier/1 ",
  );
});

test("owners read what happened in their publisher, and nobody else's", async () => {
  const { items } = await json(ada("audit", "--publisher", "ada", "--all", "--json"));
  const actions = items.map(({ action }: { action: string }) => action);
  for (const action of [
    "module.settings",
    "module.yank",
    "module.alias",
    "module.document",
    "module.publish",
  ])
    expect(actions).toContain(action);
  // Under the name that it has now, and under those that it had.
  const told = (await printed(ada("audit", "--module", "ada/relu", "--all"))).split("\n");
  expect(told[0]).toMatch(/^[\d: -]+\tada\tmodule\.settings\tada\/rectifier\t.*visibility=public$/);
  expect(told).toContainEqual(expect.stringMatching(/^[\d: -]+\tada\tmodule\.publish\tada\/relu\/2\t/));
  expect(await refusal(ada("audit"))).toMatch(/^1 modulehub: Name a publisher that you own/);
});

test("deleting asks, and is for good", async () => {
  expect(await refusal(ada("delete", "ada/rectifier/2"))).toMatch(
    /^2 modulehub: Nobody can be asked here\. To delete ada\/rectifier\/2 for good, add --yes\./,
  );
  expect(await printed(ada("delete", "ada/rectifier/2", "--yes", "--reason", "No rectifier."))).toBe(
    "Deleted ada/rectifier/2\n",
  );
  expect(await refusal(anyone("show", "ada/rectifier/2"))).toMatch(/^1 .*No rectifier\..*\(code gone/s);
  expect(await refusal(ada("publishers", "delete", "ada", "--yes"))).toContain("code publisher-not-empty");
  expect(await printed(ada("delete", "ada/rectifier", "--yes"))).toBe("Deleted ada/rectifier\n");
  expect(await refusal(ada("publishers", "delete", "ada"))).toMatch(/^2 .*add --yes/);
  expect(await printed(ada("publishers", "delete", "ada", "--yes"))).toBe("Deleted ada\n");
});

test("a token that is revoked is refused with what to do, and logout forgets it", async () => {
  const { items } = await json(ada("tokens", "list", "--json"));
  expect(items).toMatchObject([{ name: "laptop", account: "ada" }]);
  expect(await printed(ada("tokens", "revoke", items[0].id))).toBe(`Revoked ${items[0].id}\n`);
  expect(await refusal(ada("whoami"))).toMatch(
    /^1 modulehub: .*token.*\n {2}Log in with "modulehub login".*\n {2}\(code unauthenticated, request \S+\)\n$/,
  );
  const problem = JSON.parse((await ada("whoami", "--json")).stderr);
  expect(problem).toMatchObject({ status: 401, code: "unauthenticated" });
  expect(await printed(ada("logout"))).toBe(`Logged out of ${hub.url}\n`);
  expect(await printed(ada("logout", "--url", hub.url))).toBe(`There was no login to ${hub.url}.\n`);
});
