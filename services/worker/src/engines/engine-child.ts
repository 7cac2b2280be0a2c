import { Socket } from "node:net";
import { setPriority } from "node:os";
import { ProblemError, problem } from "@modulehub/core";
import { openModule, type Session } from "@modulehub/runtime";
import { openSession, runtimeVersion } from "@modulehub/runtime/session";
import { z } from "zod";
import { type Frame, FrameError, readFrames, writeFrame } from "./frames.ts";
import { goFirst } from "./go-first.ts";

/**
 * The main file of an engine: sessions of one module, loaded and run one after the other for the parent at the
 * other end of file descriptor 3. It ends when the parent does, or at whatever the model does to it.
 */
goFirst();
// The worker's own thread comes before a run.
setPriority(5);
const pipe = new Socket({ fd: 3, readable: true, writable: true });
const sessions = new Map<string, { session: Session; fetches: string[] }>();

const requestSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("load"),
    id: z.int(),
    folder: z.string(),
    signature: z.string(),
    threads: z.int(),
  }),
  z.object({ kind: z.literal("run"), id: z.int(), signature: z.string() }),
]);
type Request = z.infer<typeof requestSchema>;

pipe.on("close", () => process.exit(0));
pipe.on("error", () => process.exit(0));
readFrames(
  pipe,
  (frame) => void handle(frame),
  () => process.exit(1),
);
writeFrame(pipe, { message: { kind: "ready", runtimeVersion }, tensors: new Map() });

async function handle(frame: Frame): Promise<void> {
  const request = requestSchema.parse(frame.message);
  try {
    const answer = request.kind === "load" ? await load(request) : await run(request, frame);
    writeFrame(pipe, { ...answer, message: { ...answer.message, kind: "done", id: request.id } });
  } catch (error) {
    const known =
      error instanceof FrameError ? problem("answer-too-large", `The outputs are ${error.message}.`) : error;
    if (!(known instanceof ProblemError)) throw error;
    const message = { kind: "failed", id: request.id, code: known.code, detail: known.message };
    writeFrame(pipe, { message, tensors: new Map() });
  }
}

async function load(request: Extract<Request, { kind: "load" }>): Promise<Frame> {
  const started = performance.now();
  const module = await openModule(request.folder);
  const { path, feeds, fetches } = await module.compile(request.signature);
  const session = await openSession(path, { threads: request.threads });
  sessions.set(request.signature, { session, fetches });
  const { executionProviders } = session;
  const milliseconds = performance.now() - started;
  return { message: { feeds, fetches, executionProviders, milliseconds }, tensors: new Map() };
}

async function run(request: Extract<Request, { kind: "run" }>, frame: Frame): Promise<Frame> {
  const loaded = sessions.get(request.signature);
  if (!loaded) throw new Error("a signature was run that is not loaded");
  return { message: {}, tensors: await loaded.session.run(frame.tensors, loaded.fetches) };
}
