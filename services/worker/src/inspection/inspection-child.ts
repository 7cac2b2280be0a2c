import { Socket } from "node:net";
import { setPriority } from "node:os";
import { ProblemError } from "@modulehub/core";
import { writeFrame } from "../engines/frames.ts";
import { goFirst } from "../engines/go-first.ts";
import { type ChildMessage, childTaskSchema } from "./child-messages.ts";
import { inspectModule } from "./inspect-module.ts";

/** The main file of an inspection: one module's folder, then the end. */
goFirst();
setPriority(10);
const pipe = new Socket({ fd: 3, readable: true, writable: true });
pipe.on("close", () => process.exit(0));
pipe.on("error", () => process.exit(0));
pipe.resume();

const say = (message: ChildMessage): Promise<void> =>
  new Promise((resolve) => {
    writeFrame(pipe, { message, tensors: new Map() });
    // What follows blocks the thread: the words must have left before.
    if (pipe.writableLength === 0) resolve();
    else pipe.once("drain", resolve);
  });

async function main(): Promise<void> {
  const task = childTaskSchema.parse(JSON.parse(process.argv[2] ?? ""));
  try {
    const outcome = await inspectModule(task, (name, ms) => say({ kind: "phase", name, ms }));
    if ("report" in outcome) await say({ kind: "accepted", report: outcome.report });
    else await say({ kind: "rejected", problems: outcome.refusals });
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    await say({ kind: "rejected", problems: [{ code: error.code, detail: error.message }] });
  }
  pipe.end(() => process.exit(0));
}

await main();
