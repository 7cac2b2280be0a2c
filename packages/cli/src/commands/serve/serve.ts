import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Hub } from "@modulehub/client";
import { Command } from "commander";
import { type Context, print, say } from "../../context.ts";
import { EXIT, UsageError } from "../../exit-code.ts";
import { publishExamples } from "./example-modules.ts";
import { greeting } from "./greeting.ts";
import { PortError } from "./port.ts";
import { type Ending, ServiceEnded } from "./service-process.ts";
import { DataFolderError, type RunningHub, startServices } from "./services.ts";
import { onStopSignal } from "./stop-signals.ts";

interface ServeOptions {
  host?: string;
  port?: number;
  data?: string;
  verbose?: boolean;
  examples: boolean;
  json?: boolean;
}

export function serveCommand(context: Context): Command {
  return new Command("serve")
    .description("run a hub on this machine: the API, and a worker beside it")
    .option("--host <address>", "where to listen (MODULEHUB_HOST; default 127.0.0.1)")
    .option("--port <n>", "port; 0 takes a free one (MODULEHUB_PORT; default 8080)", port)
    .option("--data <folder>", "where everything is kept (MODULEHUB_DATA; default .modulehub)")
    .option("--no-examples", "don't publish the example modules on an empty hub")
    .option("--verbose", "print the services' logs, which are in the data folder anyway")
    .option("--json", "print JSON, a line an event")
    .action((options: ServeOptions) => serve(context, options));
}

async function serve(context: Context, options: ServeOptions): Promise<void> {
  const { settings } = context;
  const data = options.data ?? settings.MODULEHUB_DATA;
  const tell = (line: string) =>
    options.json ? print(context, JSON.stringify({ event: "note", line })) : say(context, line);
  let hub: RunningHub;
  const stopping = new AbortController();
  const stopped = Promise.withResolvers<"stopped">();
  let kill = () => process.exit(128 + 9);
  const forget = onStopSignal(
    () => {
      stopping.abort();
      stopped.resolve("stopped");
    },
    () => kill(),
  );
  try {
    hub = await startServices({
      host: options.host ?? settings.MODULEHUB_HOST,
      port: options.port ?? settings.MODULEHUB_PORT,
      data,
      environment: context.environment,
      echo: options.verbose ? context.err : undefined,
      signal: stopping.signal,
      onWorkerRestart: (ending, pause) =>
        say(
          context,
          `The worker ended (${how(ending)}) and starts again in ${pause} ms; see ${join(data, "logs", "worker.log")}`,
        ),
    });
  } catch (error) {
    forget();
    if (stopping.signal.aborted) return;
    const told = [PortError, DataFolderError, ServiceEnded].some((kind) => error instanceof kind);
    if (!(told && error instanceof Error)) throw error;
    say(context, `modulehub: ${error.message}`);
    process.exitCode = EXIT.refused;
    return;
  }
  kill = () => {
    hub.kill();
    process.exit(128 + 9);
  };
  // A token that the hub was given is in no file.
  const tokenFile = context.environment.MODULEHUB_ADMIN_TOKEN ? undefined : join(data, "admin-token");
  if (options.json) print(context, JSON.stringify({ event: "ready", url: hub.url, adminToken: tokenFile }));
  else print(context, greeting(hub.url, tokenFile));

  const examples = options.examples
    ? withExamples(
        { url: hub.url, readToken: () => adminToken(context, tokenFile), into: join(data, "examples") },
        tell,
        stopping.signal,
      )
    : Promise.resolve();
  const end = await Promise.race([stopped.promise, hub.apiEnded]);
  if (end !== "stopped" && !stopping.signal.aborted) {
    stopping.abort();
    say(context, `modulehub: the API ended (${how(end)}).\n${end.tail}`);
    process.exitCode = EXIT.refused;
  } else if (!options.json) say(context, "Stopping …");
  await hub.stop();
  await examples;
  forget();
}

/** The one that was given to the API, or that it made. */
const adminToken = async ({ environment }: Context, file: string | undefined): Promise<string> =>
  file === undefined ? (environment.MODULEHUB_ADMIN_TOKEN ?? "") : (await readFile(file, "utf8")).trim();

async function withExamples(
  { url, readToken, into }: { url: string; readToken: () => Promise<string>; into: string },
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    await publishExamples(new Hub({ url, token: await readToken() }), into, tell, signal);
  } catch (error) {
    // A hub without examples is a hub.
    if (!signal.aborted)
      tell(`The examples could not be published: ${error instanceof Error ? error.message : error}`);
  }
}

const how = ({ code, signal }: Ending): string => signal ?? `exit code ${code}`;

function port(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new UsageError(`--port takes 0 to 65535, not ${text}.`);
  return Number(text);
}
