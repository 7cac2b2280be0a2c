import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { ask, askHidden } from "./prompt.ts";

/** A terminal on which these keys are pressed; `shown` is what it got. */
function terminal(keys: string) {
  const input = Object.assign(new PassThrough(), { isTTY: true as const });
  const err = Object.assign(new PassThrough(), { columns: 80 });
  setImmediate(() => input.write(keys));
  return { input, err, shown: () => String(err.read() ?? "") };
}

test("a secret is read without being shown, corrections included", async () => {
  const { shown, ...streams } = terminal("wrongg\u007f\u007f\u007f\u007f\u007f\u007fsecret\r");
  expect(await askHidden(streams, "Token: ")).toBe("secret");
  expect(shown()).toBe("Token: \n");
});

test("what is no secret is shown as it is typed", async () => {
  const { shown, ...streams } = terminal("acme/words\r");
  expect(await ask(streams, "Its name: ")).toBe("acme/words");
  expect(shown()).toContain("Its name: ");
});

test("Ctrl-C and the end of the input enter nothing", async () => {
  await expect(askHidden(terminal("sec\u0003"), "Token: ")).rejects.toThrow("Nothing was entered");
  const ended = terminal("");
  setImmediate(() => ended.input.end());
  await expect(ask(ended, "Its name: ")).rejects.toThrow("Nothing was entered");
});
