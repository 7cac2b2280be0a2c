import { Socket } from "node:net";
import { problem, type Tensor } from "@modulehub/core";
import { readFrames, writeFrame } from "../../engines/frames.ts";
import { type JobWord, jobAnswerSchema } from "../job-messages.ts";

/** A word without the id that the pipe gives it. */
type Question<W = Extract<JobWord, { id: number }>> = W extends { id: number } ? Omit<W, "id"> : never;
type Statement = Exclude<JobWord, { id: number }>;

/** The worker at the other end of file descriptor 3. */
export interface WorkerPipe {
  /** Resolves when the words have left this process: what follows may block the thread. */
  tell(word: Statement): Promise<void>;
  /** Throws the problem that the worker answers with. */
  ask(question: Question, tensors?: Map<string, Tensor>): Promise<Map<string, Tensor>>;
  /** Says a last word, and ends the process. */
  end(word: Extract<Statement, { kind: "result" | "problem" }>): Promise<never>;
}

/** Opens the pipe. The process ends when the worker does. */
export function openPipe(): WorkerPipe {
  const pipe = new Socket({ fd: 3, readable: true, writable: true });
  const waiting = new Map<
    number,
    { resolve(tensors: Map<string, Tensor>): void; reject(error: unknown): void }
  >();
  let next = 1;
  pipe.on("close", () => process.exit(0));
  pipe.on("error", () => process.exit(0));
  readFrames(
    pipe,
    ({ message, tensors }) => {
      const answer = jobAnswerSchema.parse(message);
      const asked = waiting.get(answer.id);
      waiting.delete(answer.id);
      if (answer.kind === "done") asked?.resolve(tensors);
      else asked?.reject(problem(answer.code, answer.detail));
    },
    (error) => {
      throw error;
    },
  );
  const write = (message: JobWord, tensors = new Map<string, Tensor>()): Promise<void> =>
    new Promise((resolve) => {
      writeFrame(pipe, { message, tensors });
      if (pipe.writableLength === 0) resolve();
      else pipe.once("drain", resolve);
    });
  return {
    tell: (word) => write(word),
    ask(question, tensors) {
      const id = next++;
      const { promise, resolve, reject } = Promise.withResolvers<Map<string, Tensor>>();
      waiting.set(id, { resolve, reject });
      void write({ ...question, id }, tensors);
      return promise;
    },
    end: async (word) => {
      await write(word);
      return new Promise(() => pipe.end(() => process.exit(0)));
    },
  };
}
