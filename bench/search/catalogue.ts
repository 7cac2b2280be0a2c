import { readCard } from "@modulehub/api/card";
import type { ListingSource } from "@modulehub/api/listing";
import { manifestSchema } from "@modulehub/core";

/** Words in a language made up for this: some in every README, most in few (Zipf's law). */
const VOCABULARY = 12_000;
const README_WORDS = 180;
const PUBLISHERS = 400;
const START = Date.UTC(2024, 0, 1);

const TASKS = [
  ["text-embedding", { text: "string" }, { default: "float32" }],
  ["image-classification", { image: "float32" }, { scores: "float32" }],
  ["text-classification", { text: "string" }, { scores: "float32" }],
  ["token-classification", { input_ids: "int64", attention_mask: "int64" }, { logits: "float32" }],
  ["object-detection", { image: "uint8" }, { boxes: "float32", classes: "int64" }],
  ["image-embedding", { image: "float32" }, { default: "float16" }],
] as const;
const ARCHITECTURES = [
  "bert",
  "roberta",
  "minilm",
  "efficientnet",
  "resnet",
  "vit",
  "mobilenet",
  "gpt",
  "t5",
  "yolo",
];
const SIZES = ["tiny", "small", "base", "large", "xl"];
const LICENSES = ["apache-2.0", "apache-2.0", "apache-2.0", "mit", "mit", "cc-by-4.0", "openrail", "gpl-3.0"];
const LANGUAGES = ["en", "en", "en", "en", "de", "fr", "zh", "es", "ja", "hi", "sw", "is"];

/** Numbers from 0 to 1, the same in every run (mulberry32, Tommy Ettinger). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

const SYLLABLES = [
  "ka",
  "lo",
  "mi",
  "ter",
  "san",
  "vo",
  "dre",
  "pi",
  "nu",
  "gal",
  "est",
  "or",
  "fen",
  "ba",
  "qui",
];

/** A word of the made-up language, by its rank. */
export function word(rank: number): string {
  let text = "";
  for (let rest = rank + 15; rest > 0; rest = Math.floor(rest / 15)) text += SYLLABLES[rest % 15];
  return text;
}

/** Module `index` of a catalogue, as registry/listing.ts takes it. One in ten is private. */
export function moduleAt(index: number): ListingSource {
  const random = randomFrom(index + 1);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  const zipf = () => Math.floor(VOCABULARY ** random()) - 1;
  const text = (count: number) => Array.from({ length: count }, () => word(zipf())).join(" ");
  const [task, inputs, outputs] = pick(TASKS);
  const architecture = pick(ARCHITECTURES);
  const publisher = `publisher-${Math.floor(PUBLISHERS * random() ** 2)}`;
  const specs = (dtypes: Record<string, string>) =>
    Object.fromEntries(Object.entries(dtypes).map(([name, dtype]) => [name, { dtype, shape: ["batch"] }]));
  const readme = `---
title: ${architecture} ${text(3)}
license: ${pick(LICENSES)}
language: [${[...new Set([pick(LANGUAGES), pick(LANGUAGES)])].join(", ")}]
tags: [${architecture}, ${text(2).replace(" ", ", ")}]
datasets: [${text(1)}]
---
# ${architecture}

This model of ${text(12)}.

${text(README_WORDS)}
`;
  const createdAt = new Date(START + Math.floor(random() * 9e10));
  return {
    moduleId: index + 1,
    publisher,
    name: `${publisher}/${architecture}-${pick(SIZES)}-${word(zipf())}-${index}`,
    visibility: random() < 0.1 ? "private" : "public",
    createdAt,
    latest: {
      version: 1 + Math.floor(random() * 5),
      digest: `sha256:${index.toString(16).padStart(64, "0")}`,
      publishedAt: new Date(createdAt.getTime() + Math.floor(random() * 3e9)),
      size: Math.floor(1e6 * 10 ** (3 * random())),
      manifest: manifestSchema.parse({
        schemaVersion: 1,
        task,
        signatures: { default: { inputs: specs(inputs), outputs: specs(outputs) } },
      }),
      card: readCard(readme),
    },
  };
}
