import { type ChildProcess, fork, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { connect } from "node:net";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { Hub } from "@modulehub/client";
import { GraphBuilder, modelBytes } from "@modulehub/onnx";
import { type Services, startServices } from "./services.ts";

const SIZE = 512 * 1024 * 1024;
const PAIRS = 9;
const MEGABYTE = 1e6;
/** How often the API's memory is looked at while it sends, in milliseconds. */
const LOOK = 20;

/**
 * Rates of downloads on loopback, of a file of 512 MiB and of an archive with it, over the rate at which a plain
 * static file server in Node sends the same file; the figure is the median over interleaved pairs of the ratio.
 * The promise is 0.8, with the API's memory flat: its growth over what it was after a first download of each, at
 * the most while it sends and at the end, in MB. nginx is measured beside them where it is installed.
 */
export async function run(): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), "modulehub-bench-download-"));
  const services = await startServices();
  const children: ChildProcess[] = [];
  try {
    const file = writeModule(folder);
    const version = await publish(services, folder);
    const plain = await startPlain(file, children);
    const nginx = await startNginx(folder, children);
    const hubFile = { url: `${version}/files/weights.bin`, token: services.adminToken };
    const archive = { url: `${version}/archive`, token: services.adminToken };
    const others = { file: hubFile, archive, ...(nginx !== undefined && { nginx: { url: nginx } }) };

    for (const source of [...Object.values(others), { url: plain }]) await receive(source);
    const pairs: Pair[] = [];
    using memory = watchMemory(services.apiPid);
    for (let pair = 0; pair < PAIRS; pair++)
      for (const [name, source] of Object.entries(others)) {
        const both = [source, { url: plain }];
        const [first, second] = pair % 2 === 0 ? both : both.toReversed();
        const one = await receive(first!);
        const two = await receive(second!);
        const [rate, plainRate] = pair % 2 === 0 ? [one, two] : [two, one];
        pairs.push({ name, rate, plainRate });
      }
    const grown = memory.soFar();
    return {
      plainMBs: median(pairs.map(({ plainRate }) => plainRate)),
      ...figuresOf(pairs),
      apiMB: grown.start / MEGABYTE,
      apiGrowthWhileSendingMB: (grown.peak - grown.start) / MEGABYTE,
      apiGrowthAtEndMB: (grown.end - grown.start) / MEGABYTE,
      loadAverage: loadavg()[0] ?? 0,
    };
  } finally {
    for (const child of children) child.kill();
    await services.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Rates of one download and of the plain server's beside it, in MB a second. */
interface Pair {
  name: string;
  rate: number;
  plainRate: number;
}

/** Each download's rate, and its ratio to the plain server's: medians. */
function figuresOf(pairs: Pair[]): Record<string, number> {
  const figures: Record<string, number> = {};
  for (const [name, all = []] of Object.entries(Object.groupBy(pairs, ({ name }) => name))) {
    figures[`${name}MBs`] = median(all.map(({ rate }) => rate));
    figures[`${name}OverPlain`] = median(all.map(({ rate, plainRate }) => rate / plainRate));
  }
  return figures;
}

/** Writes a module with a file of `SIZE` bytes that no compression would shorten; answers that file's path. */
function writeModule(folder: string): string {
  const builder = new GraphBuilder({ name: "identity" });
  builder.output("y", builder.identity(builder.input("x", "float32", ["batch", 4])));
  writeFileSync(join(folder, "model.onnx"), modelBytes(builder.toModel()));
  const spec = { dtype: "float32", shape: ["batch", 4] };
  writeFileSync(
    join(folder, "module.json"),
    JSON.stringify({
      schemaVersion: 1,
      task: "other",
      signatures: { default: { inputs: { x: spec }, outputs: { y: spec } } },
    }),
  );
  const path = join(folder, "weights.bin");
  const file = openSync(path, "wx");
  for (let written = 0; written < SIZE; ) written += writeSync(file, randomBytes(1_048_576));
  closeSync(file);
  return path;
}

/** Publishes the module; answers the version's address. */
async function publish({ api, adminToken }: Services, folder: string): Promise<string> {
  const hub = new Hub({ url: api, token: adminToken });
  for await (const event of hub.publish(folder, "bench/download", { createPublisher: true }))
    if (event.kind === "published") return `${api}/v1/modules/bench/download/versions/${event.version}`;
  throw new Error("publishing ended without a version");
}

async function startPlain(file: string, children: ChildProcess[]): Promise<string> {
  const child = fork(join(import.meta.dirname, "plain-file-server.ts"), [file], { execArgv: [] });
  children.push(child);
  const [message] = await once(child, "message");
  return String(message.url);
}

/** The URL at which nginx serves the file; undefined where it is not installed. */
async function startNginx(folder: string, children: ChildProcess[]): Promise<string | undefined> {
  const program = ["/usr/sbin/nginx", "/usr/local/bin/nginx"].find((path) => existsSync(path));
  if (program === undefined) return undefined;
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const settings = join(folder, "nginx.conf");
  writeFileSync(
    settings,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr error; events {}
http { access_log off; sendfile on; server { listen 127.0.0.1:${port}; root ${folder}; } }`,
  );
  children.push(spawn(program, ["-c", settings, "-p", folder, "-e", "stderr"], { stdio: "inherit" }));
  const url = `http://127.0.0.1:${port}/weights.bin`;
  for (let tries = 0; tries < 50; tries++) {
    const answers = await fetch(url, { method: "HEAD" }).then(
      ({ ok }) => ok,
      () => false,
    );
    if (answers) return url;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("nginx did not start");
}

/** Receives a body over a connection of its own, keeping none of it; answers bytes a second, in MB. */
async function receive({ url, token }: { url: string; token?: string }): Promise<number> {
  const { hostname, port, pathname } = new URL(url);
  const started = performance.now();
  let ended = started;
  const received = await new Promise<number>((resolve, reject) => {
    let head = "";
    let bytes = 0;
    let expected: number | undefined;
    const socket = connect({
      host: hostname,
      port: Number(port),
      onread: {
        buffer: Buffer.alloc(1_048_576),
        callback(size, buffer) {
          bytes += size;
          if (expected === undefined) {
            head += Buffer.from(buffer.buffer, buffer.byteOffset, size).toString("latin1");
            const end = head.indexOf("\r\n\r\n");
            if (end < 0) return true;
            const length = /\r\ncontent-length: (\d+)/i.exec(head.slice(0, end))?.[1];
            if (!head.startsWith("HTTP/1.1 200") || length === undefined)
              reject(new Error(head.slice(0, end)));
            expected = end + 4 + Number(length);
          }
          if (bytes >= expected) ended = performance.now();
          return true;
        },
      },
    });
    socket.once("error", reject);
    socket.once("close", () => (bytes === expected ? resolve(bytes) : reject(new Error(`${url} broke off`))));
    const credentials = token === undefined ? "" : `Authorization: Bearer ${token}\r\n`;
    socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${hostname}\r\n${credentials}Connection: close\r\n\r\n`);
  });
  return received / MEGABYTE / ((ended - started) / 1000);
}

interface Memory extends Disposable {
  /** Bytes at the beginning, at the most, and now. */
  soFar(): { start: number; peak: number; end: number };
}

/** Looks at a process's resident memory until it is disposed of. */
function watchMemory(pid: number): Memory {
  const look = () =>
    Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
  const start = look();
  let peak = start;
  const timer = setInterval(() => {
    peak = Math.max(peak, look());
  }, LOOK);
  return {
    soFar: () => ({ start, peak, end: look() }),
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
