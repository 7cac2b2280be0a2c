import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { openStore } from "../blobs/open-store.ts";
import { openDatabase } from "../database/client.ts";
import { lockDataFolder } from "../database/data-lock.ts";
import { migrate } from "../database/migrate.ts";
import type { Settings } from "../settings.ts";
import { checkConsistency, repair } from "./check.ts";
import { FINDINGS, type Finding, severityOf } from "./finding.ts";

/** How `fsck` ends: nothing but garbage; faults that --repair mends; damage that only a backup mends. */
const EXIT = { consistent: 0, faults: 1, damage: 4 } as const;

/** `fsck [--deep] [--repair] [--json]`: compares database and store. Returns the exit code. */
export async function fsck(args: string[], settings: Settings): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      deep: { type: "boolean", default: false },
      repair: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const data = resolve(settings.MODULEHUB_DATA);
  const url = settings.MODULEHUB_DATABASE_URL;
  if (url === undefined && !existsSync(resolve(data, "database")))
    throw new Error(`${data} is no hub's data folder; name it with --data.`);
  // The embedded database has one process; PostgreSQL is looked at while the hub works.
  const lock = url === undefined ? lockDataFolder(data) : undefined;
  const database = await openDatabase(
    url === undefined ? { kind: "folder", path: resolve(data, "database") } : { kind: "postgresql", url },
  );
  const { store, close } = await openStore(settings, data);
  try {
    await migrate(database);
    const grace = settings.MODULEHUB_GC_GRACE;
    const options = { deep: values.deep, grace };
    const found = await checkConsistency({ database, store }, options);
    if (!values.repair) return tell(found, [], values.json);
    await repair({ database, store }, grace);
    const left = await checkConsistency({ database, store }, options);
    const same = (a: Finding) =>
      left.some((b) => b.kind === a.kind && b.subject === a.subject && b.detail === a.detail);
    return tell(
      left,
      found.filter((finding) => !same(finding)),
      values.json,
    );
  } finally {
    close();
    await database.close();
    lock?.release();
  }
}

function tell(left: readonly Finding[], repaired: readonly Finding[], json: boolean): number {
  const full = (finding: Finding) => ({
    ...finding,
    severity: severityOf(finding),
    explanation: FINDINGS[finding.kind][1],
  });
  if (json)
    process.stdout.write(`${JSON.stringify({ findings: left.map(full), repaired: repaired.map(full) })}\n`);
  else {
    const line = (finding: Finding) => {
      const { severity, kind, subject, detail, explanation } = full(finding);
      return `${severity}  ${kind}  ${subject}${detail === undefined ? "" : ` (${detail})`}\n    ${explanation}\n`;
    };
    for (const finding of repaired) process.stdout.write(`repaired: ${line(finding)}`);
    for (const finding of left) process.stdout.write(line(finding));
    const count = (severity: string) => left.filter((finding) => severityOf(finding) === severity).length;
    process.stdout.write(
      `${count("damage")} damaged, ${count("fault")} at fault, ${count("garbage")} garbage, ${repaired.length} repaired\n`,
    );
  }
  if (left.some((finding) => severityOf(finding) === "damage")) return EXIT.damage;
  return left.some((finding) => severityOf(finding) === "fault") ? EXIT.faults : EXIT.consistent;
}
