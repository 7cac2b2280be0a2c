import { randomUUID } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { crc32, deflateRawSync } from "node:zlib";
import { type DataReadingInput, dataReadingSchema, ProblemError } from "@modulehub/core";
import { pack } from "tar-stream";
import type { DataLimits, DataSource, Example } from "./example.ts";
import { DATA_LIMITS } from "./limits.ts";
import { readDataset } from "./read-dataset.ts";
import { surveyDataset } from "./survey/survey-dataset.ts";

/** A folder that tests put data sets into, gone at their end. */
export class TestData {
  readonly folder = join(tmpdir(), `modulehub-data-${randomUUID()}`);

  /** A file of these bytes. */
  async file(name: string, content: string | Uint8Array): Promise<DataSource> {
    const file = join(this.folder, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    return { file };
  }

  /** A folder of these files. */
  async tree(name: string, files: Record<string, string | Uint8Array>): Promise<DataSource> {
    for (const [path, content] of Object.entries(files)) await this.file(`${name}/${path}`, content);
    return { file: join(this.folder, name) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

export type TarEntry = Parameters<ReturnType<typeof pack>["entry"]>[0] & { content?: string | Uint8Array };

/** A tar of these entries, whatever they are called and link to. */
export async function tarOf(entries: Record<string, string | Uint8Array> | TarEntry[]): Promise<Buffer> {
  const tar = pack();
  const list = Array.isArray(entries)
    ? entries
    : Object.entries(entries).map(([name, content]) => ({ name, content }));
  for (const { content = "", ...header } of list) {
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    tar.entry({ size: bytes.length, ...header }, bytes);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export interface ZipEntry {
  name: string;
  content?: string | Uint8Array;
  /** Unix's mode, in the upper half of the attributes. */
  mode?: number;
  flags?: number;
  method?: number;
  crc?: number;
  /** What the headers say of its unpacked size. */
  size?: number;
}

/** A zip (APPNOTE.TXT) of these entries, packed by deflate, whatever they are called. */
export function zipOf(entries: Record<string, string | Uint8Array> | ZipEntry[]): Buffer {
  const list: ZipEntry[] = Array.isArray(entries)
    ? entries
    : Object.entries(entries).map(([name, content]) => ({ name, content }));
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const { name, content = "", mode = 0, flags = 0x800, method = 8, ...said } of list) {
    const bytes = Buffer.from(content);
    const packed = method === 8 ? deflateRawSync(bytes) : bytes;
    const path = Buffer.from(name);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(flags, 2);
    shared.writeUInt16LE(method, 4);
    shared.writeUInt32LE(said.crc ?? crc32(bytes), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(said.size ?? bytes.length, 18);
    shared.writeUInt16LE(path.length, 22);
    const entry = Buffer.alloc(14);
    entry.writeUInt32LE((mode << 16) >>> 0, 6);
    entry.writeUInt32LE(offset, 10);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), shared, path, packed]);
    const made = Buffer.from([20, 3]);
    central.push(Buffer.concat([Buffer.from("PK\x01\x02"), made, shared, entry, path]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(list.length, 4);
  end.writeUInt16LE(list.length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, directory, Buffer.from("PK\x05\x06"), end]);
}

/** Every example of a data set, and its report; as `readDataset` gives them. */
export async function readAll(
  source: DataSource,
  reading: DataReadingInput,
  limits: Partial<DataLimits> = {},
): Promise<{ examples: Example[] } & Awaited<ReturnType<typeof surveyDataset>>> {
  const all = { ...DATA_LIMITS, ...limits };
  const survey = await surveyDataset(source, dataReadingSchema.parse(reading), { limits: all });
  return { ...survey, examples: await Array.fromAsync(readDataset(source, survey.plan, all)) };
}

/** The problem that reading ends with, or the first that stands in the way of training. */
export async function refusalOf(
  source: DataSource,
  reading: DataReadingInput,
  limits: Partial<DataLimits> = {},
): Promise<{ code: string; detail: string }> {
  try {
    const { report } = await readAll(source, reading, limits);
    const [first] = report.problems;
    if (!first) throw new Error("The data set was taken.");
    return { code: first.code, detail: first.detail ?? first.title };
  } catch (error) {
    if (error instanceof ProblemError) return { code: error.code, detail: error.message };
    throw error;
  }
}
