import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { z } from "zod";
import { readSettings, SettingsError } from "./settings.ts";

const folder = mkdtempSync(join(tmpdir(), "modulehub-settings-"));
afterAll(() => rmSync(folder, { recursive: true }));

const schema = z.object({
  PORT: z.coerce.number().int().default(8080).describe("Port."),
  TOKEN: z.string().min(4).optional().describe("Secret."),
});

test("settings come from the environment, and what is empty counts as absent", () => {
  expect(readSettings(schema, { PORT: "1", TOKEN: "secret", OTHER: "x" })).toEqual({
    PORT: 1,
    TOKEN: "secret",
  });
  expect(readSettings(schema, { PORT: "", TOKEN: "" })).toEqual({ PORT: 8080 });
});

test("a setting may lie in a file, which may end with a line", () => {
  const file = join(folder, "token");
  writeFileSync(file, "from a file\n");
  expect(readSettings(schema, { TOKEN_FILE: file })).toMatchObject({ TOKEN: "from a file" });
});

test.each([
  [{ PORT: "many" }, "PORT: "],
  [{ TOKEN: "abc" }, "TOKEN: "],
  [{ TOKEN: "secret", TOKEN_FILE: "/anything" }, "TOKEN: is given, and TOKEN_FILE too; give one"],
  [{ TOKEN_FILE: join(folder, "absent") }, "TOKEN_FILE: the file can't be read (ENOENT)"],
])("settings that don't fit are named, beside all that there are: %o", (environment, fault) => {
  const read = () => readSettings(schema, environment);
  expect(read).toThrow(SettingsError);
  expect(read).toThrow(fault);
  expect(read).toThrow(/PORT {2}Port\.\n {2}TOKEN {2}Secret\./);
});
