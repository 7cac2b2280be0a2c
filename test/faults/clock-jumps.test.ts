import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startPostgresql } from "@modulehub/api/testing/postgresql-server";
import { isBuilt, S3_SERVERS, startS3 } from "@modulehub/api/testing/s3-servers";
import { afterEach, expect, test } from "vitest";
import { connectS3 } from "../../services/api/src/blobs/s3-client.ts";
import { createBucket } from "../../services/api/src/blobs/s3-store.ts";
import { command } from "../e2e/hub.ts";
import { publishFiles } from "../e2e/publish-files.ts";
import { type ApiPart, apiPart, workerPart } from "./parts/processes.ts";
import { randomFrom } from "./random.ts";
import { sha256 } from "./record.ts";

/**
 * Clocks that jump by days, ahead and back, while modules are published, deleted and collected: the API's, or the
 * database's. Debian's libfaketime makes them jump in a running process; what waits by a monotonic clock goes on.
 */

const FAKETIME = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
  .map((machine) => `/usr/lib/${machine}/faketime/libfaketimeMT.so.1`)
  .find(existsSync);

/** Printed, so that a failure can be had again. */
const SEED = Number(process.env.MODULEHUB_FAULT_SEED ?? Date.now() % 2 ** 31);

/** Offsets to the true time, one after the other. */
const JUMPS = ["+3d", "+0", "-3d", "+20d", "+90s", "-20d", "+400d", "+0"];
/** Milliseconds for which each is in force. */
const EACH = 2_500;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "modulehub-clock-"));
  ends.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** A clock that is set by a file, and the environment of a process that reads it. */
function fakeClock(): { env: Record<string, string>; set(offset: string): void } {
  const folder = mkdtempSync(join(tmpdir(), "modulehub-clock-file-"));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "offset");
  const set = (offset: string) => writeFileSync(file, `${offset}\n`, { mode: 0o644 });
  set("+0");
  // Readable by the user that the database runs as.
  chmodSync(folder, 0o755);
  const env = {
    LD_PRELOAD: FAKETIME!,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
  return { env, set };
}

const moduleOf = (content: string): Record<string, Uint8Array> => ({
  "module.json": Buffer.from(
    JSON.stringify({
      schemaVersion: 1,
      task: "text-embedding",
      signatures: {
        default: {
          inputs: { text: { dtype: "string", shape: ["batch"] } },
          outputs: { default: { dtype: "float32", shape: ["batch", 4] } },
        },
      },
    }),
  ),
  // Few, so that what one version lets go another takes.
  "model.onnx": Buffer.from(`graph ${content}`),
});

test.each(["the API's clock", "the database's clock", "the clock of an embedded hub"])(
  `versions keep their bytes when %s jumps by days (seed ${SEED})`,
  async (whose) => {
    const context = whose === "the clock of an embedded hub" ? "embedded" : "parts";
    const [store] = S3_SERVERS.filter(isBuilt);
    const lacking = [
      ...(FAKETIME === undefined ? ["libfaketime (apt-get install faketime)"] : []),
      ...(context === "parts" && store === undefined ? ["an S3 server (scripts/build-s3-servers.ts)"] : []),
      ...(context === "parts" && !existsSync("/usr/lib/postgresql") ? ["PostgreSQL"] : []),
    ];
    if (lacking.length > 0) {
      console.info(`Not tested when ${whose} jumps: ${lacking.join(", ")} is not here.`);
      return;
    }
    const clock = fakeClock();
    const env: Record<string, string> = { MODULEHUB_GC_GRACE: "300", MODULEHUB_GC_INTERVAL: "1" };
    const data = temporaryFolder();
    let databaseUrl: string | undefined;
    if (context === "parts") {
      const server = await startPostgresql(whose === "the database's clock" ? { env: clock.env } : {});
      ends.push(() => server!.stop());
      databaseUrl = server!.url;
      const s3 = await startS3(store!);
      ends.push(() => s3.stop());
      const connection = connectS3(s3.settings);
      await createBucket(connection);
      connection.close();
      Object.assign(env, {
        MODULEHUB_S3_BUCKET: s3.settings.bucket,
        MODULEHUB_S3_ENDPOINT: s3.settings.endpoint,
        MODULEHUB_S3_ACCESS_KEY_ID: s3.settings.credentials.accessKeyId,
        MODULEHUB_S3_SECRET_ACCESS_KEY: s3.settings.credentials.secretAccessKey,
      });
    }
    const worker = await workerPart();
    await worker.start();
    ends.push(() => worker.kill());
    const start = async (name: string, folder: string, faked: boolean): Promise<ApiPart> => {
      const api = apiPart(name, {
        data: folder,
        workerUrl: worker.url,
        ...(databaseUrl !== undefined && { databaseUrl }),
        env: { ...env, ...(faked && clock.env) },
      });
      await api.start();
      ends.push(() => api.kill());
      return api;
    };
    const apis = [await start("api-1", data, whose !== "the database's clock")];
    // The other replica's clock is right.
    if (context === "parts") apis.push(await start("api-2", temporaryFolder(), false));

    const there = new Map<string, string>();
    let [published, refused, over] = [0, 0, false];
    const write = async (n: number): Promise<void> => {
      const random = randomFrom(SEED + n);
      while (!over) {
        const api = random.pick(apis);
        const hub = { url: api.url(), token: api.token() };
        const module = `acme/m${n}`;
        if (there.size > 6 && random.next() < 0.4) {
          const mine = [...there.keys()].filter((handle) => handle.startsWith(`${module}/`));
          const handle = mine.length === 0 ? undefined : random.pick(mine);
          if (handle === undefined) continue;
          const version = handle.slice(module.length + 1);
          there.delete(handle);
          await fetch(`${hub.url}/v1/modules/${module}/versions/${version}`, {
            method: "DELETE",
            headers: { authorization: `Bearer ${hub.token}` },
          });
          continue;
        }
        const files = moduleOf(String(random.below(8)));
        const result = await Promise.race([publishFiles(hub, module, files), sleep(40_000)]);
        if (result === undefined) throw new Error(`A publish of ${module} does not end.`);
        if (result.state === "published") {
          published += 1;
          there.set(`${module}/${result.version}`, sha256(files["model.onnx"]!));
        } else {
          // What was on its way may run out of time, and is told so.
          expect(["refused", "expired", "failed"]).toContain(result.state);
          refused += 1;
        }
      }
    };
    const jumping = (async () => {
      for (const offset of JUMPS) {
        clock.set(offset);
        await sleep(EACH);
      }
      over = true;
    })();
    await Promise.all([jumping, ...[0, 1, 2, 3].map(write)]);
    console.info(`${whose}: ${published} published, ${refused} refused, ${there.size} left`);
    expect(published).toBeGreaterThan(3);
    // A sweep or two by the true time.
    await sleep(3_000);
    for (const api of apis)
      for (const [handle, digest] of there) {
        const cut = handle.lastIndexOf("/");
        const path = `/v1/modules/${handle.slice(0, cut)}/versions${handle.slice(cut)}/files/model.onnx`;
        const answer = await fetch(api.url() + path, { headers: { authorization: `Bearer ${api.token()}` } });
        expect(answer.status, handle).toBe(200);
        expect(sha256(new Uint8Array(await answer.arrayBuffer())), handle).toBe(digest);
      }
    for (const api of apis) await api.kill();
    const main = new URL("../../services/api/src/main.ts", import.meta.url).pathname;
    const { code, stdout } = await command(process.execPath, [main, "fsck", "--deep"], {
      MODULEHUB_DATA: data,
      ...env,
      ...(databaseUrl !== undefined && { MODULEHUB_DATABASE_URL: databaseUrl }),
    });
    expect(stdout).toMatch(/^0 damaged, 0 at fault/m);
    expect(code).toBe(0);
  },
  240_000,
);
