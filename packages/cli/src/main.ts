import packageJson from "../package.json" with { type: "json" };
import type { Context } from "./context.ts";
import { errorJson, errorText } from "./error-text.ts";
import { EXIT, exitCode } from "./exit-code.ts";
import { program } from "./program.ts";
import { settingsSchema } from "./settings.ts";

// A reader that has seen enough (`modulehub … | head`) is no error: the command ends as what it has found says.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(process.exitCode ?? EXIT.ok);
  throw error;
});
// Nobody reads how it goes on; it goes on.
process.stderr.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

const parsed = settingsSchema.safeParse(process.env);
if (!parsed.success) {
  const lines = parsed.error.issues.map((issue) => `  ${issue.path.join(".")}: ${issue.message}`);
  process.stderr.write(`modulehub: the environment has settings that do not fit.\n${lines.join("\n")}\n`);
  process.exit(EXIT.usage);
}

const context: Context = {
  settings: parsed.data,
  environment: process.env,
  // Made when it is asked for: a command that reads nothing leaves it alone.
  get input() {
    return process.stdin;
  },
  out: process.stdout,
  err: process.stderr,
  onInterrupt(listener) {
    process.on("SIGINT", listener);
    return () => void process.off("SIGINT", listener);
  },
};

try {
  process.exitCode = EXIT.ok;
  await program(context, packageJson.version).parseAsync(process.argv);
} catch (error) {
  const code = exitCode(error);
  // A bug: Node prints where.
  if (code === undefined) throw error;
  // commander has printed its own errors.
  const printed = error instanceof Error && error.name === "CommanderError";
  if (!printed)
    process.stderr.write(`${process.argv.includes("--json") ? errorJson(error) : errorText(error)}\n`);
  process.exitCode = code;
}
