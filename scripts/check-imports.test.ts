import { expect, test } from "vitest";
import { importFaults } from "./check-imports.ts";

test("a service that imports ONNX Runtime is found", () => {
  const faults = importFaults("services/api/src/app.ts", 'import { Tensor } from "onnxruntime-node";\n');
  expect(faults).toHaveLength(1);
  expect(faults[0]).toMatch(/session file alone/);
});

test("the session file may import ONNX Runtime, dynamically too", () => {
  expect(importFaults("packages/runtime/src/session.ts", 'await import("onnxruntime-node")')).toEqual([]);
});

test("imports over several lines, re-exports and type imports are seen", () => {
  const source =
    'import type {\n  A,\n  B,\n} from "@modulehub/worker";\nexport * from "@modulehub/runtime";\n';
  expect(importFaults("services/api/src/app.ts", source)).toHaveLength(2);
});

test("a relative path into another package is refused, also from a test", () => {
  const source = 'import { x } from "../../../packages/core/src/handle.ts";';
  expect(importFaults("services/api/src/app.test.ts", source)[0]).toMatch(/by their name/);
});

test("the suites beside the packages may reach into them", () => {
  const source = 'import { x } from "../../services/api/src/app.ts";';
  expect(importFaults("test/faults/steps.ts", source)).toEqual([]);
});

test("core may import zod, but not Node", () => {
  expect(importFaults("packages/core/src/a.ts", 'import { z } from "zod";')).toEqual([]);
  expect(importFaults("packages/core/src/a.ts", 'import fs from "node:fs";')).toHaveLength(1);
});
