import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

for (const service of ["api", "worker"])
  test(`every setting of the ${service} is in docs/operating.md`, () => {
    const settings = new Set(read(`services/${service}/src/main.ts`).match(/MODULEHUB_[A-Z_]+/g));
    expect(settings.size).toBeGreaterThan(5);
    const page = read("docs/operating.md");
    expect([...settings].filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
