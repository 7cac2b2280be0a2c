import { join } from "node:path";
import type { InputOptions } from "rolldown";
import { ROOT } from "./root.ts";

/** The oldest Node whose syntax the JavaScript keeps to. */
const TARGET = "node20";

/** How sources become JavaScript, in every package. A complaint of the bundler ends it. */
export const TO_JAVASCRIPT = {
  transform: {
    target: TARGET,
    inject: {
      Float16Array: [join(ROOT, "packages/client/src/float16-stand-in.ts"), "Float16Array"],
    },
  },
  onLog(_, log) {
    throw new Error(`The bundler complains: ${log.message}`);
  },
} satisfies InputOptions;
