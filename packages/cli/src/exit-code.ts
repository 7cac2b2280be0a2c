import { LocalFileError, UnexpectedAnswerError, UnreachableError } from "@modulehub/client";
import { ProblemError } from "@modulehub/core";
import { CommanderError } from "commander";

/** How a command ended, for scripts. Documented in `modulehub --help`. */
export const EXIT = { ok: 0, refused: 1, usage: 2, unreachable: 3, hubFailed: 4, interrupted: 130 } as const;

export const EXIT_HELP = `
Exit codes:
  0  done
  1  refused: the request, the module or a file is at fault
  2  usage: the command line is at fault
  3  the hub can't be reached
  4  the hub failed; trying again later may help
  130  interrupted with Ctrl-C; a job of the hub goes on`;

/** What a command throws for a command line that can't be meant. */
export class UsageError extends Error {}

/** The exit code that an error stands for; undefined for a bug. */
export function exitCode(error: unknown): number | undefined {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof UnreachableError) return EXIT.unreachable;
  if (error instanceof UnexpectedAnswerError) return EXIT.hubFailed;
  if (error instanceof LocalFileError) return EXIT.refused;
  if (error instanceof ProblemError) return error.status >= 500 ? EXIT.hubFailed : EXIT.refused;
  return undefined;
}
