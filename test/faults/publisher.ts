import { setTimeout as sleep } from "node:timers/promises";
import { type Hub, type Outcome, send, sendPart } from "./caller.ts";
import type { Random } from "./random.ts";
import { type Content, contentOf, newRecord, type Record, sha256 } from "./record.ts";

/** A draft, or an upload, that has not ended after this long, in milliseconds, never will. */
const PATIENCE = 90_000;

/** Bytes of uploads that are tried for their own sake: some parts of 65,536 bytes. */
const UPLOAD_SIZE = 150_000;

interface DraftAnswer {
  id: string;
  state: string;
  missing: string[];
  version?: number;
  problems?: { code: string; detail?: string }[];
}

interface UploadAnswer {
  id: string;
  state: string;
  partSize: number;
  /** Those that are missing, and where to send them. */
  parts: { n: number; url: string }[];
  received: number[];
}

export interface PublisherOptions {
  /** Of a client that was there before. */
  record?: Record;
  /** Bytes of uploads that are tried for their own sake. Default 150,000. */
  uploadSize?: number;
}

/** A promise of the hub's that does not hold. */
export class Violation extends Error {}

/** A client that changes one module, one thing after the other, and keeps a record of what it was told. */
export class Publisher {
  readonly record: Record;
  readonly #hub: Hub;
  readonly #random: Random;
  readonly #log: (line: string) => void;
  #made = 0;
  readonly #uploadSize: number;
  #over: AbortSignal | undefined;

  constructor(
    hub: Hub,
    module: string,
    random: Random,
    log: (line: string) => void,
    { record = newRecord(module), uploadSize = UPLOAD_SIZE }: PublisherOptions = {},
  ) {
    this.#hub = hub;
    this.#random = random;
    this.#log = log;
    this.record = record;
    this.#uploadSize = uploadSize;
    this.#made = record.contents.size;
  }

  /** Does one thing, or leaves it where it is over. Returns whether it was answered throughout. */
  async step(over?: AbortSignal): Promise<boolean> {
    this.#over = over;
    const { record } = this;
    const random = this.#random;
    const shown = [...record.versions]
      .filter(([, { deleted }]) => !deleted.has(true))
      .map(([number]) => number);
    const choice = random.next();
    if (shown.length === 0 || choice < 0.36) return this.#publish();
    if (choice < 0.46)
      return record.drafts.size > 0 ? this.goOn(random.pick([...record.drafts.keys()])) : this.#publish();
    if (choice < 0.58) return this.#alias(random.pick(["stable", "next"]), random.pick(shown));
    if (choice < 0.7) return this.#yank(random.pick(shown));
    if (choice < 0.76) return this.#delete(random.pick(shown));
    if (choice < 0.88) return this.#upload();
    if (choice < 0.93) return this.#token();
    return this.#openAndCancel();
  }

  /** Leads all that it has begun to its end. Throws `Violation` where that can't be done although the hub runs. */
  async finish(): Promise<void> {
    this.#over = undefined;
    const { drafts, uploads } = this.record;
    for (const id of [...drafts.keys()])
      if (!(await this.goOn(id))) throw new Violation(`draft ${id} can't be led to its end`);
    const until = Date.now() + PATIENCE;
    for (const id of [...uploads.keys()])
      while (uploads.has(id)) {
        if (!(await this.goOnUploading(id))) throw new Violation(`upload ${id} can't be led to its end`);
        if (Date.now() > until) throw new Violation(`upload ${id} is not stored after ${PATIENCE / 1_000} s`);
        if (uploads.has(id)) await sleep(50);
      }
  }

  #say(what: string, outcome: Outcome<unknown>): void {
    const end = outcome.kind === "unknown" ? outcome.reason : `${outcome.kind} ${outcome.status}`;
    this.#log(`${this.record.module}: ${what} → ${end}`);
  }

  async #call<T>(what: string, method: string, path: string, body?: unknown): Promise<Outcome<T>> {
    const outcome = await send<T>(this.#hub, method, path, body);
    this.#say(what, outcome);
    return outcome;
  }

  /** Refusals that the record has no explanation for are faults. */
  #refused(what: string, outcome: Extract<Outcome<unknown>, { kind: "refused" }>): never {
    throw new Violation(
      `${this.record.module}: ${what} was refused: ${outcome.status} ${JSON.stringify(outcome.body)}`,
    );
  }

  #newContent(): Content {
    const seed = `${this.record.module} ${++this.#made}`;
    const highest = Math.max(0, ...this.record.versions.keys());
    const requested = this.#random.next() < 0.12 ? highest + 1 + this.#random.below(3) : undefined;
    const content = contentOf(seed, this.#random.below(6), `v-${this.#made}`, requested);
    this.record.contents.set(seed, content);
    return content;
  }

  async #open(content: Content): Promise<Outcome<DraftAnswer>> {
    const files = [...content.files].map(([path, { bytes, digest }]) => ({
      path,
      size: bytes.length,
      digest,
    }));
    const opened = await this.#call<DraftAnswer>(
      `open a draft of "${content.seed}"`,
      "POST",
      `/v1/modules/${this.record.module}/drafts`,
      { files, aliases: [content.alias], ...(content.requested && { version: content.requested }) },
    );
    if (opened.kind === "done")
      this.record.drafts.set(opened.body.id, {
        seed: content.seed,
        cancelled: new Set([false]),
        asked: false,
      });
    return opened;
  }

  async #publish(): Promise<boolean> {
    const content = this.#newContent();
    const opened = await this.#open(content);
    if (opened.kind === "refused") {
      // Somebody else's number, or one that is gone: only for a number that was asked for.
      if (content.requested !== undefined && [409, 410].includes(opened.status)) return true;
      this.#refused("opening a draft", opened);
    }
    return opened.kind === "done" && this.goOn(opened.body.id);
  }

  /** Leads a draft to its end, from wherever it is. */
  async goOn(id: string): Promise<boolean> {
    const pending = this.record.drafts.get(id);
    if (pending === undefined) return true;
    const content = this.record.contents.get(pending.seed)!;
    const until = Date.now() + PATIENCE;
    for (;;) {
      const seen = await send<DraftAnswer>(this.#hub, "GET", `/v1/drafts/${id}`);
      if (seen.kind === "unknown") return false;
      if (seen.kind === "refused") this.#refused(`draft ${id} of "${content.seed}"`, seen);
      const draft = seen.body;
      switch (draft.state) {
        case "uploading":
        case "failed": {
          if (pending.cancelled.has(true)) pending.cancelled = new Set([false]);
          for (const digest of draft.missing) {
            const file = [...content.files.values()].find((each) => each.digest === digest)!;
            if (!(await this.#send(file.bytes, digest))) return false;
          }
          pending.asked = true;
          const asked = await this.#call("publish", "POST", `/v1/drafts/${id}/publish`);
          if (asked.kind === "unknown") return false;
          if (asked.kind === "refused" && asked.body.code !== "blobs-missing")
            this.#refused("publishing", asked);
          break;
        }
        case "verifying":
          break;
        case "published":
          this.#published(content, draft.version!);
          this.record.drafts.delete(id);
          return true;
        case "rejected": {
          const codes = (draft.problems ?? []).map(({ code }) => code);
          const taken =
            content.requested !== undefined &&
            codes.every((code) => ["version-exists", "gone"].includes(code));
          if (!taken) throw new Violation(`${this.record.module}: "${content.seed}" was rejected: ${codes}`);
          this.record.drafts.delete(id);
          return true;
        }
        case "cancelled":
          if (!pending.cancelled.has(true))
            throw new Violation(`draft ${id} was cancelled, and nobody asked`);
          this.record.drafts.delete(id);
          return true;
        default:
          throw new Violation(`draft ${id} is ${draft.state}`);
      }
      if (Date.now() > until)
        throw new Violation(`draft ${id} is still ${draft.state} after ${PATIENCE / 1_000} s`);
      if (this.#over?.aborted) return false;
      await sleep(15);
    }
  }

  #published(content: Content, number: number): void {
    const known = this.record.versions.get(number);
    if (known !== undefined && known.seed !== content.seed)
      throw new Violation(
        `version ${number} of ${this.record.module} is "${known.seed}" and "${content.seed}"`,
      );
    this.#log(`${this.record.module}: "${content.seed}" is version ${number}`);
    if (known === undefined)
      this.record.versions.set(number, {
        seed: content.seed,
        yanked: new Set([false]),
        deleted: new Set([false]),
        read: false,
      });
    if (!this.record.aliases.has(content.alias)) this.record.aliases.set(content.alias, new Set([number]));
  }

  /** Uploads a blob; whether it was answered. */
  async #send(bytes: Uint8Array, digest: string): Promise<boolean> {
    const opened = await this.#call<UploadAnswer>("open an upload", "POST", "/v1/uploads", {
      publisher: "acme",
      size: bytes.length,
      digest,
    });
    if (opened.kind === "refused") this.#refused("opening an upload", opened);
    if (opened.kind === "unknown") return false;
    const { id, partSize, parts } = opened.body;
    for (const { n, url } of parts) {
      const sent = await this.#sendPart(url, n, bytes.subarray((n - 1) * partSize, n * partSize));
      // Another client of this publisher sends the same bytes by the same upload, and was first.
      if (sent.kind === "refused") return this.#isPast(id, n, sent);
      if (sent.kind === "unknown") return false;
    }
    const done = await this.#call("complete", "POST", `/v1/uploads/${id}/complete`, { digest });
    if (done.kind === "refused" && !["upload-state", "upload-incomplete"].includes(done.body.code ?? ""))
      this.#refused("completing", done);
    return done.kind !== "unknown";
  }

  async #sendPart(address: string, n: number, bytes: Uint8Array): Promise<Outcome<unknown>> {
    const sent = await sendPart(this.#hub, address, bytes);
    this.#say(`part ${n} to ${new URL(address).pathname}`, sent);
    return sent;
  }

  /**
   * A part may be refused only where its upload has it already, joined or whole, or has been completed. Returns whether
   * that was answered.
   */
  async #isPast(
    id: string,
    n: number,
    sent: Extract<Outcome<unknown>, { kind: "refused" }>,
  ): Promise<boolean> {
    const seen = await send<UploadAnswer>(this.#hub, "GET", `/v1/uploads/${id}`);
    if (seen.kind === "refused") this.#refused(`upload ${id}`, seen);
    if (seen.kind === "unknown") return false;
    if (seen.body.state === "open" && !seen.body.received.includes(n)) this.#refused(`part ${n}`, sent);
    return true;
  }

  async #alias(name: string, version: number): Promise<boolean> {
    const { aliases, module } = this.record;
    const before = aliases.get(name) ?? new Set([undefined]);
    const path = `/v1/modules/${module}/aliases/${name}`;
    const remove = this.#random.next() < 0.25;
    aliases.set(name, new Set([...before, remove ? undefined : version]));
    const answer = remove
      ? await this.#call(`remove alias ${name}`, "DELETE", path)
      : await this.#call(`alias ${name} for ${version}`, "PUT", path, { version });
    if (answer.kind === "unknown") return false;
    const gone = answer.kind === "refused" && remove && answer.status === 404;
    if (answer.kind === "refused" && !gone) this.#refused(`alias ${name}`, answer);
    if (gone && !before.has(undefined)) throw new Violation(`alias ${name} of ${module} is gone`);
    aliases.set(name, new Set([remove ? undefined : version]));
    return true;
  }

  async #yank(number: number): Promise<boolean> {
    const known = this.record.versions.get(number)!;
    const back = this.#random.next() < 0.4;
    known.yanked = new Set([...known.yanked, !back]);
    const path = `/v1/modules/${this.record.module}/versions/${number}/yank`;
    const answer = back
      ? await this.#call(`take back the yank of ${number}`, "DELETE", path)
      : await this.#call(`yank ${number}`, "POST", path, { reason: "tried" });
    if (answer.kind === "refused") this.#refused(`yank ${number}`, answer);
    if (answer.kind === "unknown") return false;
    known.yanked = new Set([!back]);
    return true;
  }

  async #delete(number: number): Promise<boolean> {
    const known = this.record.versions.get(number)!;
    known.deleted = new Set([false, true]);
    for (const may of this.record.aliases.values()) if (may.has(number)) may.add(undefined);
    const answer = await this.#call(
      `delete ${number}`,
      "DELETE",
      `/v1/modules/${this.record.module}/versions/${number}?force=true`,
    );
    if (answer.kind === "refused") this.#refused(`delete ${number}`, answer);
    if (answer.kind === "unknown") return false;
    this.deleted(number);
    return true;
  }

  /** A version is known to be gone, and with it the aliases that stood for it. */
  deleted(number: number): void {
    this.record.versions.get(number)!.deleted = new Set([true]);
    for (const may of this.record.aliases.values()) if (may.delete(number)) may.add(undefined);
  }

  /** Sends some parts of an upload, or goes on with one that was begun. */
  async #upload(): Promise<boolean> {
    const { uploads, module } = this.record;
    if (uploads.size > 0 && this.#random.next() < 0.6)
      return this.goOnUploading(this.#random.pick([...uploads.keys()]));
    const bytes = Buffer.from(`upload ${module} ${++this.#made} `.repeat(this.#uploadSize / 16)).subarray(
      0,
      this.#uploadSize,
    );
    const digest = sha256(bytes);
    const opened = await this.#call<UploadAnswer>("open an upload", "POST", "/v1/uploads", {
      publisher: "acme",
      size: bytes.length,
    });
    if (opened.kind === "refused") this.#refused("opening an upload", opened);
    if (opened.kind === "unknown") return false;
    const { id, partSize, parts } = opened.body;
    const addresses = new Map(parts.map(({ n, url }) => [n, url]));
    uploads.set(id, { bytes, digest, partSize, addresses, taken: new Set(), completed: new Set([false]) });
    return this.#part(id, this.#random.pick([...addresses.keys()]));
  }

  async #part(id: string, n: number): Promise<boolean> {
    const upload = this.record.uploads.get(id)!;
    const part = upload.bytes.subarray((n - 1) * upload.partSize, n * upload.partSize);
    const sent = await this.#sendPart(upload.addresses.get(n)!, n, part);
    if (sent.kind === "refused" && !upload.completed.has(true)) this.#refused(`part ${n}`, sent);
    if (sent.kind === "done") upload.taken.add(n);
    return sent.kind !== "unknown";
  }

  /** Sends what is missing of an upload and completes it. */
  async goOnUploading(id: string): Promise<boolean> {
    const upload = this.record.uploads.get(id)!;
    const seen = await send<UploadAnswer>(this.#hub, "GET", `/v1/uploads/${id}`);
    if (seen.kind === "unknown") return false;
    if (seen.kind === "refused") this.#refused(`upload ${id}`, seen);
    if (seen.body.state === "open") {
      const missing = [...upload.taken].filter((n) => !seen.body.received.includes(n));
      if (missing.length > 0) throw new Violation(`upload ${id} has lost parts ${missing}`);
      for (const { n, url } of seen.body.parts) {
        upload.addresses.set(n, url);
        if (!(await this.#part(id, n))) return false;
      }
    } else if (!upload.completed.has(true)) throw new Violation(`upload ${id} is ${seen.body.state}`);
    upload.completed.add(true);
    const { digest } = upload;
    const path = `/v1/uploads/${id}/complete`;
    const done = await this.#call<UploadAnswer>(`complete ${id}`, "POST", path, { digest });
    if (done.kind === "unknown") return false;
    if (done.kind === "refused") this.#refused(`completing ${id}`, done);
    if (done.body.state === "stored") this.record.uploads.delete(id);
    return true;
  }

  async #token(): Promise<boolean> {
    const { tokens } = this.record;
    const [id, first] = [...tokens].find(([, { revoked }]) => !revoked.has(true)) ?? [];
    if (id === undefined || first === undefined) {
      const made = await this.#call<{ id: string; token: string }>("issue a token", "POST", "/v1/tokens", {
        name: "tried",
      });
      if (made.kind === "refused") this.#refused("issuing a token", made);
      if (made.kind === "done")
        tokens.set(made.body.id, { secret: made.body.token, revoked: new Set([false]) });
      return made.kind === "done";
    }
    first.revoked = new Set([false, true]);
    const gone = await this.#call("revoke a token", "DELETE", `/v1/tokens/${id}`);
    if (gone.kind === "refused") this.#refused("revoking a token", gone);
    if (gone.kind === "done") first.revoked = new Set([true]);
    return gone.kind === "done";
  }

  async #openAndCancel(): Promise<boolean> {
    const opened = await this.#open(this.#newContent());
    if (opened.kind !== "done") return opened.kind === "refused";
    const { id } = opened.body;
    this.record.drafts.get(id)!.cancelled = new Set([false, true]);
    const gone = await this.#call("cancel the draft", "DELETE", `/v1/drafts/${id}`);
    if (gone.kind === "refused") this.#refused("cancelling", gone);
    if (gone.kind === "done") this.record.drafts.get(id)!.cancelled = new Set([true]);
    return gone.kind === "done";
  }
}
