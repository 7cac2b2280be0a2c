import type { DownloadEvent } from "./download/event.ts";
import type { LoadedModule } from "./load/loaded-module.ts";
import {
  type ClassifyAnswer,
  type ClassifyInput,
  type ClassifyOptions,
  classify,
} from "./operations/classify.ts";
import { createPublisher } from "./operations/create-publisher.ts";
import { type DownloadOptions, download } from "./operations/download.ts";
import { type EmbedAnswer, type EmbedInput, embed } from "./operations/embed.ts";
import { type InferAnswer, type InferInput, type InferOptions, infer } from "./operations/infer.ts";
import { listModules, type ModulePage, type PageOptions } from "./operations/list-modules.ts";
import { listVersions, type VersionPage } from "./operations/list-versions.ts";
import { type LoadOptions, load } from "./operations/load.ts";
import { type PublishOptions, publish } from "./operations/publish.ts";
import { type Resolved, resolve } from "./operations/resolve.ts";
import { type ShownVersion, showVersion } from "./operations/show-version.ts";
import type { PublishEvent } from "./publish/event.ts";
import { Transport } from "./transport.ts";

export interface HubOptions {
  /** Where the hub is, such as `http://127.0.0.1:8080`. */
  url: string;
  /** Absent: only what is public can be seen. */
  token?: string;
  /** Where `load` keeps files. Default `~/.cache/modulehub`. */
  cache?: string;
}

/**
 * A hub, as its users see it. Every method throws ProblemError with a code of the catalogue where the hub
 * refuses, UnreachableError where it doesn't answer, and `invalid-handle` for what is no handle. What is safe
 * to try again is tried again, with growing pauses.
 */
export class Hub {
  readonly #transport: Transport;
  readonly #cache: string | undefined;

  constructor(options: HubOptions) {
    this.#cache = options.cache;
    this.#transport = new Transport(options.url, options.token);
  }

  /** The exact version that a handle stands for now, with its files. */
  resolve(handle: string): Promise<Resolved> {
    return resolve(this.#transport, handle);
  }

  /** Runs a module on the hub: named tensors in, named tensors out. */
  infer(handle: string, inputs: Record<string, InferInput>, options?: InferOptions): Promise<InferAnswer> {
    return infer(this.#transport, handle, inputs, options);
  }

  /** One vector for each text or image. */
  embed(handle: string, inputs: EmbedInput): Promise<EmbedAnswer> {
    return embed(this.#transport, handle, inputs);
  }

  /** Labels with scores for each text or image, best first. */
  classify(handle: string, inputs: ClassifyInput, options?: ClassifyOptions): Promise<ClassifyAnswer> {
    return classify(this.#transport, handle, inputs, options);
  }

  /** Publishes a folder, or a bare `.onnx` file, and tells step by step how far it is. */
  publish(path: string, handle: string, options?: PublishOptions): AsyncGenerator<PublishEvent, void> {
    return publish(this.#transport, path, handle, options);
  }

  /** Brings a version's files, documentation included, into a folder, and tells step by step how far it is. */
  download(handle: string, options: DownloadOptions): AsyncGenerator<DownloadEvent, void> {
    return download(this.#transport, handle, options);
  }

  /**
   * Loads a module to run on this machine. Its files are kept in the cache, verified, and shared by all processes
   * that use the folder; an exact version that is there needs no hub.
   */
  load(handle: string, options?: LoadOptions): Promise<LoadedModule> {
    return load(this.#transport, handle, this.#cache, options);
  }

  /** The version that a handle stands for, with its manifest. */
  showVersion(handle: string): Promise<ShownVersion> {
    return showVersion(this.#transport, handle);
  }

  createPublisher(id: string): Promise<void> {
    return createPublisher(this.#transport, id);
  }

  /** A page of the modules that the token may see. */
  listModules(options?: PageOptions): Promise<ModulePage> {
    return listModules(this.#transport, options);
  }

  /** A page of a module's versions. */
  listVersions(module: string, options?: PageOptions): Promise<VersionPage> {
    return listVersions(this.#transport, module, options);
  }
}
