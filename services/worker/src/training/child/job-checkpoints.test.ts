import { open } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../testing/modules.ts";
import { JobCheckpoints } from "./job-checkpoints.ts";

test("a checkpoint of more bytes than Node reads at once is read", async () => {
  const { folder, remove } = await temporaryFolder();
  try {
    const checkpoint = join(folder, "large");
    const size = 2 ** 31 + 1;
    {
      await using file = await open(checkpoint, "w");
      await file.truncate(size);
    }
    const pipe = {
      tell: () => Promise.reject(new Error("Nothing is told.")),
      ask: () => Promise.reject(new Error("Nothing is asked.")),
      end: () => Promise.reject(new Error("Nothing ends.")),
    };
    const pieces = await new JobCheckpoints(pipe, { folder, checkpoint, checkpointMs: 0 }).read();
    for await (const piece of pieces!) {
      expect(piece.length).toBeGreaterThan(0);
      expect(piece.length).toBeLessThan(size);
      break;
    }
    expect.assertions(2);
  } finally {
    await remove();
  }
});
