import { type ProblemCode, type ProblemError, problem } from "@modulehub/core/problem";

/** Something that a check found in a model. */
export interface Finding {
  /** `refuse`: the model can't be served. `note`: it can, but something of it can't be used. */
  level: "refuse" | "note";
  code: ProblemCode;
  /** A sentence that says what is wrong and, where it isn't plain, what to do. */
  detail: string;
  /** The thing in the model: `output "probabilities"`, `node 12 (Gather)`. */
  where: string;
}

/** More of a level are not worth telling; the check stops where so many refuse. */
const MOST_FINDINGS = 50;
/** Characters of a detail; names in it are cut before. */
const MOST_DETAIL = 500;

/** Collects findings, with names shortened and made safe to print. */
export class Findings {
  readonly list: Finding[] = [];
  readonly #counts = { refuse: 0, note: 0 };

  refuse(code: ProblemCode, where: string, detail: string): void {
    this.#add({ level: "refuse", code, detail, where });
  }

  note(code: ProblemCode, where: string, detail: string): void {
    this.#add({ level: "note", code, detail, where });
  }

  /** Whether enough refuse the model. Notes don't count: they must not keep a check from being made. */
  get full(): boolean {
    return this.#counts.refuse >= MOST_FINDINGS;
  }

  #add({ detail, ...finding }: Finding): void {
    this.#counts[finding.level] += 1;
    if (this.#counts[finding.level] > MOST_FINDINGS) return;
    const short = detail.length > MOST_DETAIL ? `${detail.slice(0, MOST_DETAIL - 3)}...` : detail;
    this.list.push({ ...finding, detail: short });
  }
}

/** A name in quotes, cut to 80 characters. */
export const quote = (name: string | undefined): string => JSON.stringify(shortened(name));

/** A name without quotes, cut to 80 characters. */
export function shortened(name = ""): string {
  return name.length > 80 ? `${name.slice(0, 77)}...` : name;
}

/** The first finding that refuses, as an error to throw; undefined where the model may be loaded. */
export function firstRefusal(findings: readonly Finding[]): ProblemError | undefined {
  const finding = findings.find((candidate) => candidate.level === "refuse");
  return finding && problem(finding.code, findingSentence(finding));
}

/** Places that say nothing beyond the file's path. */
const WHOLE = new Set(["the file", "the graph"]);

/** A finding as a sentence that begins with its place: `model.onnx, node 1 (Neg): the name "y" is …`. */
export function findingSentence({ where, detail }: Finding, path?: string): string {
  const place = path === undefined ? [where] : WHOLE.has(where) ? [path] : [path, where];
  return `${place.join(", ")}: ${detail.replace(/^[A-Z](?=[a-z ])/, (letter) => letter.toLowerCase())}`;
}
