#!/usr/bin/env node
// Plain JavaScript, so that any Node can start it: the command itself is TypeScript, which Node runs
// natively from 22.18 on. An older Node hands over to the Node 24 that npm installed beside the project.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major > 22 || (major === 22 && minor >= 18)) {
  await import("../src/main.ts");
} else {
  const node = installedNode(dirname(fileURLToPath(import.meta.url)));
  if (node === undefined) {
    console.error(`modulehub needs Node 24 (this is ${process.version}). Run npm ci, which installs one.`);
    process.exit(1);
  }
  const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: "inherit" });
  // A terminal's Ctrl-C reaches the child by itself; this process only has to outlive it.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}

/** npm unpacks the Node of this platform as a package of its own; that of Apple silicon has another name. */
function installedNode(start) {
  const platform = process.platform === "win32" ? "win" : process.platform;
  const file = process.platform === "win32" ? "node.exe" : "node";
  for (let folder = start; ; folder = dirname(folder)) {
    for (const family of ["node", "node-bin"]) {
      const candidate = join(folder, "node_modules", `${family}-${platform}-${process.arch}`, "bin", file);
      if (existsSync(candidate)) return candidate;
    }
    if (dirname(folder) === folder) return undefined;
  }
}
