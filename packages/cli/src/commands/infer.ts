import { readFile } from "node:fs/promises";
import type { InferInput } from "@modulehub/client";
import type { JsonTensor } from "@modulehub/core";
import type { Command } from "commander";
import { z } from "zod";
import { type Context, print, say } from "../context.ts";
import { UsageError } from "../exit-code.ts";
import { connect, type HubOptions, hubCommand } from "../hub-connection.ts";

interface InferOptions extends HubOptions {
  input: string[];
  inputs?: string;
  signature?: string;
  output: string[];
}

const repeated = (value: string, earlier: string[]): string[] => [...earlier, value];

export function inferCommand(context: Context): Command {
  return hubCommand("infer", "run a module on the hub: named tensors in, named tensors out")
    .argument("<handle>")
    .option(
      "--input <name=JSON>",
      `a tensor as nested lists, e.g. --input 'text=["a","b"]'; repeatable`,
      repeated,
      [],
    )
    .option("--inputs <JSON|@file>", "all inputs as one JSON object, or @ and the name of a file with it")
    .option("--signature <name>", "the signature to run (default: default)")
    .option("--output <name>", "an output that is wanted (default: all); repeatable", repeated, [])
    .action(async (handle: string, options: InferOptions) => {
      const inputs = await readInputs(options);
      const hub = await connect(context, options);
      const outputs = options.output.length > 0 ? options.output : undefined;
      const answer = await hub.infer(handle, inputs, { signature: options.signature, outputs });
      if (options.json) return print(context, JSON.stringify(answer));
      for (const [name, tensor] of Object.entries(answer.outputs)) print(context, tensorText(name, tensor));
      for (const { input, item, kept, of } of answer.truncated ?? [])
        say(context, `${input}[${item}] was cut: ${kept} of ${of} were used.`);
    });
}

async function readInputs(options: InferOptions): Promise<Record<string, InferInput>> {
  const all = options.inputs === undefined ? {} : await readAll(options.inputs);
  const single = options.input.map((text): [string, InferInput] => {
    const equals = text.indexOf("=");
    if (equals < 1) throw new UsageError(`--input ${text} has no name; write --input NAME=JSON.`);
    return [text.slice(0, equals), parseInput(text.slice(equals + 1), `--input ${text.slice(0, equals)}`)];
  });
  const inputs = { ...all, ...Object.fromEntries(single) };
  if (Object.keys(inputs).length === 0)
    throw new UsageError("Give the inputs: --input NAME=JSON or --inputs @FILE.");
  return inputs;
}

/** What the hub takes is its business: here only what JSON holds is told from what isn't JSON. */
const inputSchema = z.custom<InferInput>((value) => value !== null && value !== undefined);
const inputsSchema = z.record(z.string(), inputSchema);

async function readAll(argument: string): Promise<Record<string, InferInput>> {
  const text = argument.startsWith("@") ? await readNamed(argument.slice(1)) : argument;
  const parsed = inputsSchema.safeParse(parseInput(text, "--inputs"));
  if (!parsed.success) throw new UsageError('--inputs must be an object, such as {"text": ["a", "b"]}.');
  return parsed.data;
}

async function readNamed(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: unknown) => {
    throw new UsageError(`${file} can't be read.`, { cause });
  });
}

function parseInput(text: string, place: string): InferInput {
  try {
    return inputSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new UsageError(`${place} is not JSON; texts need quotes: --input 'text=["a","b"]'.`, { cause });
  }
}

/** A tensor for people: its type, and its rows cut to what fits a line. */
function tensorText(name: string, { dtype, shape, data }: JsonTensor): string {
  const width = shape.at(-1) ?? 1;
  const rows = width === 0 ? 0 : data.length / width;
  const lines = [`${name}  ${dtype} [${shape.join(", ")}]`];
  for (let row = 0; row < Math.min(rows, 20); row++) {
    const shown = data
      .slice(row * width, row * width + Math.min(width, 8))
      .map((value) => JSON.stringify(value));
    lines.push(`  ${shown.join(" ")}${width > 8 ? ` … (${width})` : ""}`);
  }
  if (rows > 20) lines.push(`  … ${rows - 20} more rows; --json prints them all`);
  return lines.join("\n");
}
