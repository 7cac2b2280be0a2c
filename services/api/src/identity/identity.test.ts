import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ACTIONS, VISIBILITIES } from "@modulehub/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { adminToken } from "./admin-token.ts";
import { may, PERMISSIONS } from "./permissions.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "modulehub-identity-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("the admin token is made once, readable by its owner only", async () => {
  const token = await adminToken(folder);
  expect(token).toMatch(/^mh_admin_[\w-]{43}$/);
  expect(await adminToken(folder)).toBe(token);
  const path = join(folder, "admin-token");
  if (process.platform !== "win32") expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await readFile(path, "utf8")).trim()).toBe(token);
  await writeFile(path, "");
  await expect(adminToken(folder)).rejects.toThrow("damaged");
});

test("a higher role may do whatever a lower one may", () => {
  const roles = ["everyone", "account", "reader", "writer", "owner", "admin"] as const;
  for (const action of ACTIONS)
    for (const visibility of VISIBILITIES) {
      const allowed = roles.map((role) => may(role, action, visibility));
      expect(allowed).toEqual([...allowed].sort());
    }
});

test("what is private is never open to more than what is public, and changes are open to nobody unknown", () => {
  for (const action of ACTIONS) {
    if (may("everyone", action, "private")) expect(may("everyone", action, "public")).toBe(true);
    // Signing in changes nothing but what the one who does it may see.
    if (!/\.(read|list|download|run)$/.test(action) && action !== "session.write")
      expect(PERMISSIONS[action].public).not.toBe("everyone");
  }
  expect(may("everyone", "module.run", "private")).toBe(false);
  expect(may("everyone", "module.run", "public")).toBe(true);
});

test("docs/identity.md shows the table as it is", async () => {
  const page = await readFile(join(import.meta.dirname, "../../../../docs/identity.md"), "utf8");
  const shown = [...page.matchAll(/^\| `([\w.]+)` \|[^|]*\| (\w+) \| (\w+) \|$/gm)];
  expect(shown.map(([, action, open, closed]) => [action, open, closed])).toEqual(
    ACTIONS.map((action) => [action, PERMISSIONS[action].public, PERMISSIONS[action].private]),
  );
});

test("workers may do what is theirs and nothing else, and nobody else may do that", () => {
  const own = ACTIONS.filter((action) => may("worker", action, "public"));
  expect(own).toEqual(["worker.read", "worker.write"]);
  for (const action of own) expect(may("admin", action, "public")).toBe(false);
});
