import { Command, Option } from "commander";
import { byteText } from "../byte-text.ts";
import { type Context, print, say } from "../context.ts";
import { UsageError } from "../exit-code.ts";
import { writeTextEmbedding } from "../text-embedding-folder.ts";

interface TextEmbeddingOptions {
  vectors: string;
  out: string;
  normalize?: boolean;
  maxWords: number;
  words?: number;
  storage: "int8" | "float32";
  json?: boolean;
}

const MOST_WORDS_OF_A_TEXT = 10_000;

export function buildCommand(context: Context): Command {
  const build = new Command("build").description("make a module that can be published");
  build
    .command("text-embedding")
    .description("make a text embedding from word vectors: texts go in as strings, the graph does the rest")
    .requiredOption(
      "--vectors <file>",
      "word vectors, most frequent first: GloVe or word2vec text, or .mhwv; also .gz",
    )
    .requiredOption("--out <folder>", "a folder that does not exist yet, or is empty")
    .option("--normalize", "lower-case texts and drop their punctuation, inside the graph")
    .option(
      "--max-words <n>",
      "words of a text that count; answers say what was cut",
      wholeNumber,
      MOST_WORDS_OF_A_TEXT,
    )
    .addOption(
      new Option("--storage <dtype>", "how the vectors' numbers are kept: int8 takes a fourth of the space")
        .choices(["int8", "float32"])
        .default("int8"),
    )
    .option("--words <n>", "take only the first so many words of the file", wholeNumber)
    .option("--json", "print JSON")
    .action(async (options: TextEmbeddingOptions) => {
      const { vectors, out, normalize = false, maxWords, words, storage } = options;
      if (!options.json) say(context, `Reading ${vectors}`);
      const made = await writeTextEmbedding({ vectors, folder: out, normalize, maxWords, words, storage });
      if (options.json) return print(context, JSON.stringify({ folder: out, ...made }));
      print(context, `${out}: ${made.words} words, vectors of ${made.dimensions}, ${byteText(made.bytes)}`);
      if (storage === "int8")
        print(
          context,
          "The numbers are rounded to int8, a scale a word; --storage float32 keeps them as they are.",
        );
      print(context, `Say in ${out}/README.md and ${out}/LICENSE.md where the vectors are from, then:`);
      print(context, `  modulehub publish ${out} PUBLISHER/NAME`);
    });
  return build;
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text) || Number(text) > 1_000_000)
    throw new UsageError(`A number from 1 to 1000000 is needed, not ${text}.`);
  return Number(text);
}
