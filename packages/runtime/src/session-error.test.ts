import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cleanMessage, runtimeProblem } from "./session-error.ts";

test("paths of this machine are cut to their last part, names of nodes stay", () => {
  const path = join(tmpdir(), "modules", "ab", "model.onnx");
  expect(cleanMessage(`Load model from ${path} failed: bad`)).toBe("Load model from model.onnx failed: bad");
  expect(cleanMessage(`can't read ${join(homedir(), "x", "weights.bin")}.`)).not.toContain(homedir());
  const node = "running MatMul node. Name:'/encoder/layer.0/MatMul' Status Message: sizes differ";
  expect(cleanMessage(node)).toBe(node);
});

test("places in the runtime's source, its log prefix and colours are left out", () => {
  const message =
    "\u001b[1;31m2026-01-02 03:04:05.678 [E:onnxruntime:node, x.cc:21 Create] /onnxruntime_src/core/session/x.cc:1988 " +
    "[ONNXRuntimeError] : 1 : FAIL : Node (a) is bad\n\u001b[m";
  expect(cleanMessage(message)).toBe("Node (a) is bad");
});

test("a long message is cut", () => {
  expect(cleanMessage("shape ".repeat(1000)).length).toBeLessThan(510);
});

test("running out of memory is told from the module's own faults", () => {
  expect(runtimeProblem("run-failed", new Error("std::bad_alloc")).code).toBe("out-of-memory");
  expect(runtimeProblem("run-failed", new Error("Invalid rank")).code).toBe("run-failed");
});

test("a locale that the system lacks is told with what to do about it", () => {
  // ONNX Runtime 1.30 on a system without en_US.UTF-8, opening a StringNormalizer without a locale.
  const message =
    "Exception during initialization: onnxruntime::StringNormalizer::Locale::Locale(const std::string&)::<lambda()> " +
    "Failed to construct locale with name:en_US.UTF-8:locale::facet::_S_create_c_locale name not valid:Please, " +
    "install necessary language-pack-XX and configure locales";
  const { code, message: detail } = runtimeProblem("session-failed", new Error(message));
  expect(code).toBe("session-failed");
  expect(detail).toContain("en_US.UTF-8");
  expect(detail).toContain('attribute locale to "C"');
  expect(detail).not.toContain("language-pack");
});
