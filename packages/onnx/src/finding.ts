import { type ProblemCode, type ProblemError, problem } from "@modulehub/core";

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

/** More than these are not worth telling; the check stops there. */
const MOST_FINDINGS = 50;

/** Collects findings, with names shortened and made safe to print. */
export class Findings {
  readonly list: Finding[] = [];

  refuse(code: ProblemCode, where: string, detail: string): void {
    this.#add({ level: "refuse", code, detail, where });
  }

  note(code: ProblemCode, where: string, detail: string): void {
    this.#add({ level: "note", code, detail, where });
  }

  get full(): boolean {
    return this.list.length >= MOST_FINDINGS;
  }

  #add(finding: Finding): void {
    if (!this.full) this.list.push(finding);
  }
}

/** A name in quotes, cut to 80 characters. */
export function quote(name: string | undefined): string {
  const text = name ?? "";
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}

/** The first finding that refuses, as an error to throw; undefined where the model may be loaded. */
export function firstRefusal(findings: readonly Finding[]): ProblemError | undefined {
  const finding = findings.find((candidate) => candidate.level === "refuse");
  return finding && problem(finding.code, `${finding.detail} (${finding.where})`);
}
