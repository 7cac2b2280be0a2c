import { setPriority } from "node:os";
import { ProblemError } from "@modulehub/core";
import { goFirst } from "../../engines/go-first.ts";
import { asDiskFull } from "../../modules/disk-full.ts";
import { jobArgumentSchema } from "../job-messages.ts";
import { evaluate } from "./evaluate.ts";
import { rank } from "./rank.ts";
import { train } from "./train.ts";
import { openPipe } from "./worker-pipe.ts";

/** The main file of a job's process: one job, then the end. Whatever serves somebody goes first. */
goFirst();
// Where the system has no idle class (child-process.ts).
setPriority(15);
process.title = "modulehub-job";
const pipe = openPipe();

try {
  const argument = jobArgumentSchema.parse(JSON.parse(process.argv[2] ?? ""));
  const { task } = argument;
  const made =
    task.kind === "train"
      ? await train(pipe, argument, task)
      : {
          result: await (task.kind === "rank" ? rank(pipe, argument, task) : evaluate(pipe, argument, task)),
          files: [],
        };
  await pipe.end({ kind: "result", ...made });
} catch (error) {
  const known = asDiskFull(error);
  if (!(known instanceof ProblemError)) throw error;
  await pipe.end({ kind: "problem", code: known.code, detail: known.message.slice(0, 4000) });
}
