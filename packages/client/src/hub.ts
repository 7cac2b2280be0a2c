import type { DownloadEvent } from "./download/event.ts";
import { type HubAddress, HubCalls } from "./hub-calls.ts";
import type { RunEvent } from "./jobs/event.ts";
import type { LoadedModule } from "./load/loaded-module.ts";
import { type CommitOptions, commit } from "./operations/commit.ts";
import type { Documentation } from "./operations/documentation.ts";
import { documentationFile } from "./operations/documentation-file.ts";
import { type DownloadOptions, download } from "./operations/download.ts";
import { type EditDocumentationOptions, editDocumentation } from "./operations/edit-documentation.ts";
import { type EvaluateOptions, evaluate } from "./operations/evaluate.ts";
import type { Head } from "./operations/head.ts";
import { type LoadOptions, load } from "./operations/load.ts";
import { type PublishOptions, publish } from "./operations/publish.ts";
import { type RankOptions, rank } from "./operations/rank.ts";
import { type TrainOptions, train } from "./operations/train.ts";
import type { PublishEvent } from "./publish/event.ts";

export interface HubOptions extends HubAddress {
  /** Where `load` keeps files. Default `$XDG_CACHE_HOME/modulehub`, else `~/.cache/modulehub`. */
  cache?: string;
}

/** A hub, with what needs files and processes besides its calls. */
export class Hub extends HubCalls {
  readonly #cache: string | undefined;

  constructor(options: HubOptions) {
    super(options);
    this.#cache = options.cache;
  }

  /** Publishes a folder, or a bare `.onnx` file, and tells step by step how far it is. */
  publish(path: string, handle: string, options?: PublishOptions): AsyncGenerator<PublishEvent, void> {
    return publish(this.transport, path, handle, options);
  }

  /**
   * Trains a head on top of a module with a data set on this machine (a folder, archive or table), and publishes both as
   * one module where `publish` says so. The job goes on when its events are not read any more.
   */
  train(base: string, data: string, options: TrainOptions): AsyncGenerator<RunEvent, void> {
    return train(this.transport, base, data, options);
  }

  /** Says how good a classifier is on a data set on this machine. */
  evaluate(module: string, data: string, options: EvaluateOptions): AsyncGenerator<RunEvent, void> {
    return evaluate(this.transport, module, data, options);
  }

  /** Says which of several modules suits a data set on this machine best. */
  rank(candidates: readonly string[], data: string, options: RankOptions): AsyncGenerator<RunEvent, void> {
    return rank(this.transport, candidates, data, options);
  }

  /**
   * Gives the version that a handle names by its number another documentation: that of a folder, or files by their
   * paths. What the hub has already is not sent; where it was edited meanwhile, nothing is changed.
   */
  editDocumentation(
    handle: string,
    source: string | Record<string, string | Uint8Array>,
    options?: EditDocumentationOptions,
  ): Promise<Documentation> {
    return editDocumentation(this.transport, handle, source, options);
  }

  /** Commits a folder's files, or files by their paths, to a module's head; what the hub has already is not sent. */
  commit(
    module: string,
    source: string | Readonly<Record<string, string | Uint8Array>>,
    options?: CommitOptions,
  ): Promise<Head> {
    return commit(this.transport, module, source, options);
  }

  /** The bytes of one file of a version's documentation. */
  documentationFile(file: Documentation["files"][number]): Promise<Uint8Array> {
    return documentationFile(this.transport, file);
  }

  /** Brings a version's files, documentation included, into a folder, and tells step by step how far it is. */
  download(handle: string, options: DownloadOptions): AsyncGenerator<DownloadEvent, void> {
    return download(this.transport, handle, options);
  }

  /**
   * Loads a module to run on this machine. Its files are kept in the cache, verified, and shared by all processes
   * that use the folder; an exact version that is there needs no hub.
   */
  load(handle: string, options?: LoadOptions): Promise<LoadedModule> {
    return load(this.transport, handle, this.#cache, options);
  }
}
