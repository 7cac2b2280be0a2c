import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cleanUp, ROOT, temporaryFolder, until } from "../e2e/hub.ts";
import { nodeOf } from "./installed-package.ts";
import { shell } from "./packed-hub.ts";

/**
 * docs/tutorial.md as a reader follows it: each block in order, on a plain Node 22, in a home of its own. Put in are a
 * free port for 8080, and the home. What is printed is compared with the `text` block that follows, line by line.
 */

interface Block {
  info: string;
  text: string;
}

const PAGE = readFileSync(join(ROOT, "docs/tutorial.md"), "utf8");
const BLOCKS: Block[] = [...PAGE.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map(([, info = "", text = ""]) => ({
  info,
  text,
}));

let home: string;
let folder: string;
let env: Record<string, string>;
let address: string;
let hub: ChildProcess | undefined;
let hubPrinted = "";

beforeAll(async () => {
  home = temporaryFolder();
  folder = join(home, "modulehub-tutorial");
  const port = await freePort();
  address = `127.0.0.1:${port}`;
  env = {
    PATH: [dirname(nodeOf(22)), ...(process.env.PATH ?? "").split(delimiter)].join(delimiter),
    HOME: home,
    MODULEHUB_PORT: String(port),
    // Where and with whose settings npm finds packages is this machine's affair.
    // Where the registry is reached by a certificate of the machine's own.
    ...(process.env.NODE_EXTRA_CA_CERTS && { NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS }),
    npm_config_cache: process.env.npm_config_cache ?? join(process.env.HOME ?? "", ".npm"),
    npm_config_userconfig: process.env.npm_config_userconfig ?? join(process.env.HOME ?? "", ".npmrc"),
    npm_config_prefer_offline: "true",
    npm_config_audit: "false",
    npm_config_update_notifier: "false",
  };
});
afterAll(async () => {
  if (hub?.pid !== undefined) process.kill(-hub.pid, "SIGINT");
  await cleanUp();
});

/** What a block would print here, as a pattern: `…` stands for what is another each time. */
function expectation(text: string): RegExp {
  const literal = (part: string): string => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const lines = text.replaceAll("127.0.0.1:8080", address).trimEnd().split("\n");
  const patterns = lines.map((line) =>
    line === "…" ? "[^]*" : line.split("…").map(literal).join("[^\\n]*?"),
  );
  return new RegExp(`^${patterns.join("[ \\t]*\\n")}\\s*$`);
}

for (const [index, { info, text }] of BLOCKS.entries()) {
  const next = BLOCKS[index + 1];
  const expected = next?.info === "text" ? next.text : undefined;
  const name = `block ${index}: ${text.trim().split("\n").at(-1)}`;
  const [language, argument] = info.split(" ");
  if (language === "sh" && argument === "second")
    test(name, async () => {
      hub = spawn("bash", ["--norc", "-c", text], {
        cwd: folder,
        env,
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
      });
      hub.stdout?.on("data", (chunk) => (hubPrinted += chunk));
      hub.stderr?.on("data", (chunk) => (hubPrinted += chunk));
      await until("the hub has published its photo modules", 500, async () => {
        if (hub?.exitCode !== null) throw new Error(`The hub ended:\n${hubPrinted}`);
        return hubPrinted.includes("Published modulehub/imagenet/efficientnet-lite0/feature-vector");
      });
    });
  else if (language === "sh")
    test(name, async () => {
      const script = `export PACKAGES="${ROOT}/.cache/packages"\n${text.replaceAll("127.0.0.1:8080", address)}`;
      const at = existsSync(folder) ? folder : ROOT;
      // From then on the address is the one that login kept.
      const own = text.includes("modulehub login") ? { ...env, MODULEHUB_URL: `http://${address}` } : env;
      const { code, stdout, stderr } = await shell(script, at, own);
      expect(code, `${stdout}\n${stderr}`).toBe(argument === "fails" ? 1 : 0);
      if (expected === undefined) return;
      // A refusal is the end of what is said; what came before is progress.
      const said = argument === "fails" ? stderr.slice(stderr.indexOf("modulehub: ")) : stdout;
      expect(said.replace(/, request [\w-]+\)/, ")")).toMatch(expectation(expected));
    });
  else if (argument !== undefined)
    test(`block ${index}: the file ${argument}`, () => {
      writeFileSync(join(folder, argument), text.replaceAll("127.0.0.1:8080", address));
    });
}

test("no block is of a kind that nothing here runs or compares", () => {
  const known = /^(sh( fails| second terminal)?|text|(js|ts) [\w-]+\.(js|ts))$/;
  expect(BLOCKS.filter(({ info }) => !known.test(info))).toEqual([]);
});

async function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const at = server.address();
      server.close(() => resolve(typeof at === "object" && at ? at.port : 0));
    });
  });
}
