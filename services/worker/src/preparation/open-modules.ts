import { type Module, openModule } from "@modulehub/runtime";

/** A tokenizer of 30,000 tokens takes about 10 MB. */
const MOST = 8;

/** The modules that were used last, with the tokenizers that they have loaded. */
export class OpenModules {
  readonly #modules = new Map<string, Promise<Module>>();

  /** The module in a folder. Throws as `openModule` does; the next call tries again. */
  get(folder: string): Promise<Module> {
    const known = this.#modules.get(folder) ?? openModule(folder);
    this.#modules.delete(folder);
    this.#modules.set(folder, known);
    known.catch(() => this.#modules.delete(folder));
    const oldest = this.#modules.size > MOST ? this.#modules.keys().next().value : undefined;
    if (oldest !== undefined) this.#modules.delete(oldest);
    return known;
  }
}
