import { word } from "./catalogue.ts";

/** A kind of request; `path(n)` is its n-th one. Words differ from one to the next, so that none is remembered. */
export interface Kind {
  name: string;
  /** With the admin's token; otherwise as anybody. */
  asAdmin?: boolean;
  /** Begin far down the list: pages of 1,000 are skipped, as far as there are, up to this many. */
  skip?: number;
  path(n: number): string;
}

const TASKS = ["text-embedding", "image-classification", "object-detection"];
const list = (query: string): string => `/v1/modules?limit=20&${query}`;

/** What people and programs ask for. Ranks below 30 are words of nearly every README, those from 8,000 of few. */
export const KINDS: Kind[] = [
  { name: "list by name", path: () => list("") },
  { name: "list by name, admin", asAdmin: true, path: () => list("") },
  { name: "list by name, deep", skip: 15, path: () => list("sort=name") },
  { name: "newest first", path: () => list("sort=recent") },
  { name: "newest first, deep", skip: 15, path: () => list("sort=recent") },
  { name: "smallest first, deep", skip: 15, path: () => list("sort=size") },
  { name: "a common filter", path: (n) => list(`task=${TASKS[n % 3]}`) },
  { name: "a common filter, deep", skip: 2, path: () => list("task=text-embedding") },
  { name: "a rare filter", path: (n) => list(`tag=${word(4_000 + n)}`) },
  { name: "a rare filter, newest first", path: (n) => list(`tag=${word(4_000 + n)}&sort=recent`) },
  { name: "a filter that nothing has", path: (n) => list(`tag=nothing-${n}`) },
  {
    name: "five filters",
    path: (n) =>
      list(`task=${TASKS[n % 3]}&license=mit&language=de&language=fr&dtype=float32&output=float32`),
  },
  { name: "one publisher", path: (n) => list(`publisher=publisher-${n}`) },
  { name: "filter, newest first", path: (n) => list(`license=mit&task=${TASKS[n % 3]}&sort=recent`) },
  { name: "a word in every README", path: (n) => list(`q=${["model", "this", "of"][n % 3]}`) },
  { name: "common words", path: (n) => list(`q=${word(n % 30)}`) },
  { name: "common words, newest first", path: (n) => list(`q=${word(n % 30)}&sort=recent`) },
  { name: "common words and filters", path: (n) => list(`q=${word(n % 30)}&license=mit&language=de`) },
  { name: "two words", path: (n) => list(`q=${word(n % 30)}+${word(100 + n)}`) },
  { name: "a rare word", path: (n) => list(`q=${word(8_000 + n)}`) },
  { name: "a rare word, newest first", path: (n) => list(`q=${word(8_000 + n)}&sort=recent`) },
  { name: "a word that nothing has", path: (n) => list(`q=xyzzy${n}`) },
  { name: "an architecture", path: (n) => list(`q=${["bert", "resnet", "minilm"][n % 3]}`) },
  { name: "an architecture, deep", skip: 0.5, path: () => list("q=bert") },
  { name: "the beginning of a word", path: (n) => list(`q=${word(200 + 15 * n).slice(0, 3)}`) },
  { name: "a whole name", path: (n) => list(`q=bert-base-${n}`) },
  { name: "with facets", path: (n) => `${list(`task=${TASKS[n % 3]}`)}&facets=true` },
  { name: "with facets of all", path: () => `${list("")}&facets=true` },
];
