import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { Progress } from "./progress.ts";

function recorder(terminal: boolean) {
  const written: string[] = [];
  const progress = new Progress({ isTTY: terminal, columns: 60, write: (text) => written.push(text) });
  return { written, progress };
}

function work(progress: Progress): void {
  progress.bytes("Sending", 0, 2_000_000, "model.onnx");
  progress.bytes("Sending", 1_000_000, 2_000_000, "model.onnx");
  progress.bytes("Sending", 2_000_000, 2_000_000, "a file with a name that does not fit.onnx");
  progress.phase("Verifying");
  progress.clear();
}

test("without a terminal each phase is one line, and nothing is drawn over", () => {
  const { written, progress } = recorder(false);
  work(progress);
  expect(written).toEqual(["Sending 2.0 MB\n", "Verifying\n"]);
});

test("on a terminal one line is drawn over, never wider than the terminal, and wiped at the end", () => {
  const { written, progress } = recorder(true);
  work(progress);
  const lines = written.map((text) => stripVTControlCharacters(text).replace("\r", ""));
  // 52 columns up to the name, 7 for it, one left free.
  expect(lines.slice(0, 3)).toEqual([
    "Sending   ░░░░░░░░░░░░░░░░░░░░░░░░   0 % of 2.0 MB  model.o",
    "Sending   ████████████░░░░░░░░░░░░  50 % of 2.0 MB  model.o",
    "Sending   ████████████████████████ 100 % of 2.0 MB  a file ",
  ]);
  expect(lines.every((line) => line.length < 60)).toBe(true);
  expect(written.every((text) => text.startsWith("\r") && !text.includes("\n"))).toBe(true);
  expect(lines.at(-1)).toBe("");
});

function steps(progress: Progress): void {
  for (const done of [1, 2, 11, 19, 20, 100]) progress.steps("Training", done, 100, `loss ${1 / done}`);
  progress.steps("Evaluating", 1, 2, "");
}

test("without a terminal a phase of steps is a line at its beginning and at every tenth", () => {
  const { written, progress } = recorder(false);
  steps(progress);
  expect(written).toEqual([
    "Training 1 of 100  loss 1\n",
    "Training 11 of 100  loss 0.09090909090909091\n",
    "Training 20 of 100  loss 0.05\n",
    "Training 100 of 100  loss 0.01\n",
    "Evaluating 1 of 2\n",
  ]);
});

test("on a terminal a phase of steps is drawn over", () => {
  const { written, progress } = recorder(true);
  steps(progress);
  expect(stripVTControlCharacters(written[4] ?? "").trim()).toBe(
    "█████░░░░░░░░░░░░░░░░░░░ Training 20 of 100  loss 0.05",
  );
  expect(written.every((text) => !text.includes("\n"))).toBe(true);
});
