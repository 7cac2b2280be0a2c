import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { S3Settings } from "../blobs/s3-client.ts";

/** Where `scripts/build-s3-servers.ts` puts the programs that it builds. */
export const S3_PROGRAMS = join(import.meta.dirname, "../../../../.cache/s3");

/** The S3 servers that the store is tried on: what they are called, and what their programs are. */
export const S3_SERVERS = ["versitygw", "weed"] as const;
export type S3ServerName = (typeof S3_SERVERS)[number];

/** Whether a server has been built here. */
export const isBuilt = (name: S3ServerName): boolean => existsSync(join(S3_PROGRAMS, name));

/** An S3 server that runs. */
export interface S3Server {
  /** What the hub is told of it; the bucket is not made yet. */
  settings: S3Settings & { endpoint: string; credentials: { accessKeyId: string; secretAccessKey: string } };
  process: ChildProcess;
  /** Ends it as a crash does, and waits. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and bytes. */
  restart(): Promise<void>;
  /** Ends it and removes its bytes. */
  stop(): Promise<void>;
}

export interface S3Options {
  /** Kept from before; default: a folder of its own, which goes with it. */
  folder?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string };
  /** SeaweedFS: the arguments of another's file instead of these, of which only the addresses are changed. */
  args?: readonly string[];
  port?: number;
}

/** Starts a server on loopback, and waits until it answers. Throws with what it printed. */
export async function startS3(name: S3ServerName, options: S3Options = {}): Promise<S3Server> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "modulehub-s3-"));
  for (const name of ["data", "logs"]) mkdirSync(join(folder, name), { recursive: true });
  const credentials = options.credentials ?? {
    accessKeyId: "hub",
    secretAccessKey: randomBytes(24).toString("hex"),
  };
  const ports = await freePorts(name === "weed" ? 8 : 1);
  if (options.port !== undefined) ports[0] = options.port;
  const endpoint = `http://127.0.0.1:${ports[0]}`;
  const data = join(folder, "data");
  const args = name === "weed" ? weedArguments(folder, ports, options.args) : versityArguments(data, ports);
  const run = () => start(name, folder, args, credentials, endpoint);
  const server: S3Server = {
    settings: { endpoint, region: "us-east-1", bucket: "modulehub", pathStyle: true, credentials },
    process: await run(),
    async kill() {
      await end(server.process, "SIGKILL");
    },
    async restart() {
      server.process = await run();
    },
    async stop() {
      await end(server.process, "SIGKILL");
      if (name === "weed") for (const socket of weedSockets(ports)) rmSync(socket, { force: true });
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return server;
}

async function start(
  name: S3ServerName,
  folder: string,
  args: string[],
  credentials: { accessKeyId: string; secretAccessKey: string },
  endpoint: string,
): Promise<ChildProcess> {
  const { accessKeyId, secretAccessKey } = credentials;
  const child = spawn(join(S3_PROGRAMS, name), args, {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      ROOT_ACCESS_KEY_ID: accessKeyId,
      ROOT_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  const note = (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4_000);
  };
  child.stdout.on("data", note);
  child.stderr.on("data", note);
  const deadline = Date.now() + 60_000;
  for (;;) {
    // Without credentials it refuses, which is an answer.
    const status = await fetch(endpoint).then(
      (response) => response.status,
      () => 0,
    );
    if (status !== 0 && status < 500) return child;
    if (child.exitCode !== null || Date.now() > deadline) {
      await end(child, "SIGKILL");
      throw new Error(`${name} did not start:\n${said}`);
    }
    await sleep(100);
  }
}

const versityArguments = (data: string, ports: number[]): string[] => [
  ...["--port", `127.0.0.1:${ports[0]}`, "--quiet", "posix", data],
];

const WEED = ["server", "-master.volumeSizeLimitMB=256", "-volume.max=100", "-filer", "-s3"].concat([
  // A second instead of ten: as long as it waits for others after a start, no bytes can be stored.
  "-master.electionTimeout=1s",
  "-master.telemetry=false",
  "-s3.autoCreateBucket=false",
  "-s3.port.iceberg=0",
  "-s3.port.lance=0",
]);

const WEED_PARTS = ["s3", "master", "volume", "filer"];

/** The sockets of the gRPC ports, whose place can't be chosen. */
const weedSockets = (ports: number[]): string[] =>
  WEED_PARTS.map((name, index) => `/tmp/seaweedfs-${name}-grpc-${ports[2 * index + 1]}.sock`);

/** SeaweedFS is four servers in one process, each with an HTTP and a gRPC port; sockets and logs it puts into /tmp. */
function weedArguments(folder: string, ports: number[], given: readonly string[] = WEED): string[] {
  const places = WEED_PARTS.flatMap((name, index) => [
    `-${name}.port=${ports[2 * index]}`,
    `-${name}.port.grpc=${ports[2 * index + 1]}`,
  ]);
  const sockets = ["filer", "s3"].map((name) => `-${name}.localSocket=${join(folder, `${name}.sock`)}`);
  const own = [`-dir=${join(folder, "data")}`, "-ip=127.0.0.1", "-ip.bind=127.0.0.1", ...places, ...sockets];
  const replaced = new Set(own.map((argument) => argument.split("=")[0]));
  const kept = given.filter((argument) => !replaced.has(argument.split("=")[0]));
  return [`-logdir=${join(folder, "logs")}`, ...kept, ...own];
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await ended;
}

/** Ports that are free, all different: held open until all have been found. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
