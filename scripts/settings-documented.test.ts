import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

const SETTINGS = { api: "services/api/src/settings.ts", worker: "services/worker/src/main.ts" };

for (const [service, file] of Object.entries(SETTINGS))
  test(`every setting of the ${service} is in docs/operating.md`, () => {
    const settings = new Set(read(file).match(/MODULEHUB_[A-Z0-9_]+/g));
    expect(settings.size).toBeGreaterThan(5);
    const page = read("docs/operating.md");
    expect([...settings].filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
