import type { BlobStore } from "../../services/api/src/blobs/blob-store.ts";
import type { Database } from "../../services/api/src/database/client.ts";

/** What is thrown in a process that has died: nothing it does after that has an effect. */
export class Dead extends Error {}

/** What is thrown by an effect that failed, or whose answer was lost. */
export class Lost extends Error {}

/**
 * One life of an API in this process: it ends at a step, and from then on nothing reaches database or store. It goes on
 * for ever unless told otherwise.
 */
export class Life {
  #left = Infinity;
  #untilFault = Infinity;
  #nextFault: (step: string) => number = () => Infinity;
  #died: ((step: string) => void) | undefined;
  /** Settles with the name of the step at which it ended. */
  readonly end: Promise<string>;
  dead = false;

  constructor() {
    this.end = new Promise((resolve) => {
      this.#died = resolve;
    });
  }

  /** From now on it ends within so many steps. */
  endWithin(steps: number): void {
    this.#left = steps;
  }

  /**
   * From now on single effects fail, before or after they were made, at steps of which `next` says how far each is;
   * what asked for them goes on, as it does when a database or a store is away for a moment.
   */
  failNowAndThen(next: (step: string) => number): void {
    this.#nextFault = next;
    this.#untilFault = next("");
  }

  check(): void {
    if (this.dead) throw new Dead("this process has died");
  }

  /** A moment between two effects: dying anywhere between them comes to the same. */
  step(name: string): void {
    this.check();
    if (--this.#untilFault <= 0) {
      this.#untilFault = this.#nextFault(name);
      throw new Lost(`an effect failed: ${name}`);
    }
    if (--this.#left > 0) return;
    this.kill(name);
    throw new Dead(`this process has died: ${name}`);
  }

  kill(name: string): void {
    this.dead = true;
    this.#died?.(name);
  }
}

/** A step before, and one after. */
async function between<T>(life: Life, name: string, effect: () => Promise<T>): Promise<T> {
  life.step(`before ${name}`);
  const result = await effect();
  life.step(`after ${name}`);
  return result;
}

/** A store that a life uses. */
export function storeOf(life: Life, store: BlobStore): BlobStore {
  const { parts } = store;
  const checked = async <T>(effect: () => Promise<T>): Promise<T> => {
    life.check();
    return effect();
  };
  return {
    leastPartSize: store.leastPartSize,
    parts:
      parts.way === "hub"
        ? {
            way: "hub",
            write: (upload, part, body) =>
              between(life, "store.writePart", () => parts.write(upload, part, body)),
          }
        : {
            way: "direct",
            begin: (key) => between(life, "store.begin", () => parts.begin(key)),
            knows: (upload) => checked(() => parts.knows(upload)),
            urls: (upload, wanted) => checked(() => parts.urls(upload, wanted)),
          },
    received: (upload, wanted) => checked(() => store.received(upload, wanted)),
    assemble: (upload, wanted) => between(life, "store.assemble", () => store.assemble(upload, wanted)),
    discardUpload: (key) => between(life, "store.discardUpload", () => store.discardUpload(key)),
    read: (key, size, range) => checked(() => store.read(key, size, range)),
    delete: (key) => between(life, "store.delete", () => store.delete(key)),
    list: (what, cursor) => checked(() => store.list(what, cursor)),
    check: () => checked(() => store.check()),
  };
}

const READS = /^(find|count|aggregate|groupBy)/;
const WRITES = /\b(INSERT|UPDATE|DELETE)\b/;

/** A database that a life uses: what changes rows is a step before and after, and so is each commit. */
export function databaseOf(life: Life, database: Database): Database {
  const extended = database.prisma.$extends({
    query: {
      async $allOperations({ model, operation, args, query }) {
        life.check();
        const isRaw = operation.startsWith("$");
        const text = isRaw ? textOf(args) : "";
        if (isRaw ? !WRITES.test(text) : READS.test(operation)) return query(args);
        const name = isRaw ? text.trim().replaceAll(/\s+/g, " ").slice(0, 40) : `${model}.${operation}`;
        return between(life, name, () => query(args));
      },
    },
  });
  const begin = extended.$transaction.bind(extended);
  const prisma = new Proxy(extended, {
    get(target, property, receiver) {
      if (property !== "$transaction") return Reflect.get(target, property, receiver);
      return async (work: (tx: unknown) => Promise<unknown>, options: object) => {
        const result = await begin(async (tx) => {
          const value = await work(tx);
          life.step("before commit");
          return value;
        }, options);
        life.step("after commit");
        return result;
      };
    },
    // The client with steps does all that the client does; Prisma has no type for that.
  }) as unknown as Database["prisma"];
  return { ...database, prisma };
}

/** The statement of a raw query, as Prisma hands it on. */
function textOf(args: unknown): string {
  const first = Array.isArray(args) ? args[0] : args;
  if (typeof first === "string") return first;
  if (typeof first === "object" && first !== null && "strings" in first && Array.isArray(first.strings))
    return first.strings.join("?");
  if (Array.isArray(first)) return first.join("?");
  return "";
}
