import { ProblemError } from "@modulehub/core";
import { LocalFileError } from "../connection-error.ts";
import type { ChildAnswer, ChildRequest } from "./child-messages.ts";
import { newLocalEngine } from "./new-local-engine.ts";

/*
 * The process of one isolated module. Messages come from the parent, which started it: they are taken as they are.
 */

const starting = newLocalEngine();
// Told to whoever asks for something.
starting.catch(() => {});

async function answer(request: ChildRequest): Promise<ChildAnswer> {
  const { id } = request;
  try {
    const engine = await starting;
    switch (request.call) {
      case "compile":
        return { id, kind: "compiled", paths: await engine.compile(request.folder) };
      case "open":
        return { id, kind: "opened", manifest: await engine.open(request.folder, request.threads) };
      case "run":
        return {
          id,
          kind: "ran",
          ...(await engine.run(request.signature, request.inputs, request.outputs)),
        };
    }
  } catch (error) {
    if (error instanceof ProblemError) return { id, kind: "refused", problem: error.toDocument() };
    if (error instanceof LocalFileError) return { id, kind: "unusable", message: error.message };
    return { id, kind: "failed", message: error instanceof Error ? error.message : String(error) };
  }
}

process.on("message", async (request: ChildRequest) => {
  const message = await answer(request);
  process.send?.(message);
});
// The parent is gone: nobody waits for an answer.
process.on("disconnect", () => process.exit());
