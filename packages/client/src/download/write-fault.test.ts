import { expect, test } from "vitest";
import { UnreachableError } from "../connection-error.ts";
import { writeFault } from "./write-fault.ts";

const systemError = (code: string, more = {}) =>
  Object.assign(new Error(`${code}: as the system says it`), { code, syscall: "write", ...more });

test.each([
  ["ENOSPC", /no room left for \/some\/folder.*it continues/],
  ["EROFS", /\/some\/folder can't be written/],
  ["EACCES", /\/some\/folder can't be written/],
  ["EIO", /could not be filled \(EIO\)/],
])("%s while a folder is written is told with what to do", (code, sentence) => {
  const fault = writeFault(systemError(code), "/some/folder");
  expect(fault).toMatchObject({ name: "LocalFileError", message: expect.stringMatching(sentence) });
});

test.each([
  ["an error of the network", systemError("ECONNREFUSED", { syscall: "connect", address: "127.0.0.1" })],
  ["an unreachable hub", new UnreachableError("http://hub/", systemError("ECONNRESET"))],
  ["a bug", new TypeError("x is not a function")],
])("%s stays what it is", (_, error) => {
  expect(writeFault(error, "/some/folder")).toBe(error);
});
