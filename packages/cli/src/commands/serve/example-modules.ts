import { mkdir, rm } from "node:fs/promises";
import type { Hub } from "@modulehub/client";
import { ProblemError } from "@modulehub/core";
import { assembleExample, type ListedModule, listExamples } from "@modulehub/examples";
import { problemText } from "../../error-text.ts";

/**
 * Publishes the example modules that are missing on a hub that holds nothing but examples: an empty one, or one
 * whose first start was cut short. One that fails is told and keeps no other back. `into` is a folder that is this
 * hub's alone: each is assembled there, and it is taken away, with what is left of an earlier start that was killed.
 */
export async function publishExamples(
  hub: Hub,
  into: string,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await rm(into, { recursive: true, force: true });
  const examples = await listExamples();
  const handles = new Set(examples.map(({ handle }) => handle));
  const { items } = await hub.listModules({ limit: handles.size + 1 });
  if (items.some(({ module }) => !handles.has(module))) return;
  for (const example of examples) {
    if (signal.aborted) return;
    if (await exists(hub, example.handle)) continue;
    const started = performance.now();
    say(`Publishing the example ${example.handle} …`);
    try {
      await publishExample(hub, example, into, signal);
      say(`Published ${example.handle} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    } catch (error) {
      if (signal.aborted) return;
      say(`The example ${example.handle} could not be published: ${reason(error)}`);
    }
  }
}

/** One that was deleted stays deleted. */
async function exists(hub: Hub, handle: string): Promise<boolean> {
  try {
    await hub.resolve(handle);
    return true;
  } catch (error) {
    if (error instanceof ProblemError && error.status === 404) return false;
    if (error instanceof ProblemError && error.status === 410) return true;
    throw error;
  }
}

async function publishExample(
  hub: Hub,
  listed: ListedModule,
  into: string,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(into, { mode: 0o700 });
  try {
    const { folder, handle } = await assembleExample(listed, into);
    const options = { visibility: "public", createPublisher: true, signal } as const;
    for await (const event of hub.publish(folder, handle, options))
      if (event.kind === "rejected" || event.kind === "failed")
        throw new Error(event.problems.map(problemText).join("\n") || "no reason was given");
  } finally {
    await rm(into, { recursive: true });
  }
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));
