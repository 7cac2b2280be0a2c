import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

/** What a traced process did to files, with the moments it began and was done, in milliseconds since 1970. */
export type FileCall = { begun: number; done: number } & (
  | { kind: "open"; path: string; create: boolean; truncate: boolean }
  | { kind: "write"; path: string; offset: number | undefined; bytes: Buffer }
  | { kind: "truncate"; path: string; size: number }
  | { kind: "rename"; from: string; to: string }
  | { kind: "link"; from: string; to: string }
  | { kind: "unlink"; path: string }
  | { kind: "mkdir"; path: string }
  | { kind: "rmdir"; path: string }
  | { kind: "sync"; path: string }
);

/** What strace is to be called with, up to the command: every byte that is written, all strings in hexadecimal. */
export const straceArguments = (log: string): string[] => [
  ...["-f", "--seccomp-bpf", "-ttt", "-T", "-y", "-xx", "-s", "67108864", "-o", log],
  "-e",
  `trace=${CALLS.join(",")}`,
];

const CALLS = [
  ...[
    "openat",
    "open",
    "creat",
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "pwritev2",
    "ftruncate",
    "truncate",
  ],
  ...["fallocate", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "unlink", "unlinkat"],
  ...["mkdir", "mkdirat", "rmdir", "fsync", "fdatasync", "copy_file_range", "sendfile"],
];

/** Calls that this can't read: it says so, and does not pass them over. */
const UNREAD = /^(pwritev2|fallocate|copy_file_range|sendfile|symlink|creat|open)\(/;

/**
 * Reads a log of strace's; calls on paths outside of `folder` are left out. In the order in which
 * they began: one that rests on another began after that one's effect, whenever its end was seen.
 */
export async function readCalls(log: string, folder: string): Promise<FileCall[]> {
  const calls: FileCall[] = [];
  const begun = new Map<string, { at: number; text: string }>();
  for await (const line of createInterface({ input: createReadStream(log), crlfDelay: Infinity })) {
    const [, pid, at, text] = /^(\d+)\s+(\d+\.\d+) (.*)$/s.exec(line) ?? [];
    if (pid === undefined || at === undefined || text === undefined) continue;
    const time = Number(at) * 1_000;
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/s.exec(text);
    const first = resumed ? begun.get(pid) : undefined;
    begun.delete(pid);
    if (text.endsWith("<unfinished ...>")) {
      begun.set(pid, { at: time, text: text.slice(0, -"<unfinished ...>".length) });
      continue;
    }
    const whole = first ? `${first.text}${resumed![1]}` : text;
    const call = readCall(whole, first?.at ?? time);
    if (call !== undefined && pathsOf(call).some((path) => path === folder || path.startsWith(`${folder}/`)))
      calls.push(call);
  }
  return calls.sort((a, b) => a.begun - b.begun);
}

const pathsOf = (call: FileCall): string[] => ("path" in call ? [call.path] : [call.from, call.to]);

/** One call, where it succeeded and changes anything. */
function readCall(text: string, begun: number): FileCall | undefined {
  const end = /\) = (-?\d+)(?:<[^>]*>)?(?: E[A-Z]+ \([^)]*\))?(?: \(deleted\))? <(\d+\.\d+)>$/.exec(text);
  if (end === null || Number(end[1]) < 0) return undefined;
  const times = { begun, done: begun + Number(end[2]) * 1_000 };
  const name = text.slice(0, text.indexOf("("));
  const body = text.slice(name.length + 1, end.index);
  // Sockets, pipes and files that have no name any more.
  const descriptor = /^\d+<((?:\\x[0-9a-f]{2})*)>/.exec(body)?.[1];
  const path = descriptor === undefined ? undefined : textOf(descriptor);
  switch (name) {
    case "openat": {
      const [, named, flags = ""] = /^[^,]+, "([^"]*)", ([A-Z_|0-9]+)/.exec(body) ?? [];
      if (named === undefined) return undefined;
      const create = flags.includes("O_CREAT");
      const truncate = flags.includes("O_TRUNC");
      return create || truncate
        ? { ...times, kind: "open", path: textOf(named), create, truncate }
        : undefined;
    }
    case "write":
    case "writev":
    case "pwritev":
    case "pwrite64": {
      if (path === undefined || body.includes(">(deleted)")) return undefined;
      const bytes = Buffer.concat(
        [...body.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex]) => bytesOf(hex!)),
      );
      const written = bytes.subarray(0, Number(end[1]));
      const offset = name.startsWith("p") ? Number(body.slice(body.lastIndexOf(",") + 1)) : undefined;
      return { ...times, kind: "write", path, offset, bytes: written };
    }
    case "ftruncate":
      return path === undefined
        ? undefined
        : { ...times, kind: "truncate", path, size: Number(body.slice(body.lastIndexOf(",") + 1)) };
    case "fsync":
    case "fdatasync":
      return path === undefined ? undefined : { ...times, kind: "sync", path };
    default: {
      const [first, second] = [...body.matchAll(/"([^"]*)"/g)].map(([, hex]) => textOf(hex!));
      if (UNREAD.test(text)) throw new Error(`this call is not understood: ${text.slice(0, 200)}`);
      if (first === undefined) return undefined;
      if (name.startsWith("rename")) return { ...times, kind: "rename", from: first, to: second! };
      if (name.startsWith("link")) return { ...times, kind: "link", from: first, to: second! };
      if (name === "truncate")
        return {
          ...times,
          kind: "truncate",
          path: first,
          size: Number(body.slice(body.lastIndexOf(",") + 1)),
        };
      if (name === "rmdir" || body.includes("AT_REMOVEDIR")) return { ...times, kind: "rmdir", path: first };
      if (name.startsWith("unlink")) return { ...times, kind: "unlink", path: first };
      if (name.startsWith("mkdir")) return { ...times, kind: "mkdir", path: first };
      throw new Error(`this call is not understood: ${text.slice(0, 200)}`);
    }
  }
}

const bytesOf = (hex: string): Buffer => Buffer.from(hex.replaceAll("\\x", ""), "hex");
const textOf = (hex: string): string => bytesOf(hex).toString();
