import { LocalFileError } from "../connection-error.ts";
import { isSystemError } from "../system-error.ts";
import type { Engine } from "./engine.ts";

/**
 * What runs modules in this process. Imported when it is first needed: the native libraries take time and memory.
 * Throws LocalFileError where they are not installed.
 */
export async function newLocalEngine(): Promise<Engine> {
  try {
    const { LocalEngine } = await import("./local-engine.ts");
    return new LocalEngine();
  } catch (error) {
    if (isSystemError(error, "ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"))
      throw new LocalFileError(
        "Modules are run by onnxruntime-node, sharp and @huggingface/tokenizers, which are not all installed. Install them beside this package; where their scripts may download nothing, with npm install --ignore-scripts.",
        error,
      );
    throw error;
  }
}
