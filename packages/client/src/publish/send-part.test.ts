import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Transport } from "../transport.ts";
import { sendPart } from "./send-part.ts";

/** What is said of a store, beside the hub, that does not take a part. */

let answer = { status: 200, body: "" };
const store = createServer((request, response) => {
  request.resume().on("end", () => response.writeHead(answer.status).end(answer.body));
});
let url: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => store.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(store.address() as AddressInfo).port}`;
});
afterAll(() => store.close());

const send = async (hub: string): Promise<void> => {
  const bytes = async function* () {
    yield Buffer.from("part");
  };
  const address = `${url}/bucket/key?X-Amz-Signature=secret`;
  await sendPart(new Transport(hub, "token"), address, bytes(), 4, AbortSignal.timeout(5_000));
};

test("a store that is full, or fails, is named with its own words, and without the signature of the address", async () => {
  const error = (code: string) =>
    `<?xml version="1.0"?><Error><Code>${code}</Code><Message>No.</Message></Error>`;
  const hub = "http://hub.example";
  answer = { status: 200, body: "" };
  await send(hub);
  // As Versity S3 Gateway 1.8.0 answers on a full disk, and SeaweedFS 4.53.
  answer = { status: 507, body: error("InsufficientStorage") };
  await expect(send(hub)).rejects.toMatchObject({
    code: "store-unavailable",
    storeStatus: 507,
    message: `The blob store at ${url} answered 507 (InsufficientStorage): it is full; make room, then publish again.`,
  });
  answer = { status: 500, body: error("InternalError") };
  await expect(send(hub)).rejects.toMatchObject({
    code: "store-unavailable",
    message: `The blob store at ${url} answered 500 (InternalError) to a part of a file.`,
  });
  answer = { status: 502, body: "<html>no store</html>" };
  await expect(send(hub)).rejects.toMatchObject({
    storeStatus: 502,
    message: expect.stringMatching(/answered 502 to/),
  });
  // A hub's own words stay what they are, under whatever name it is reached.
  answer = {
    status: 409,
    body: JSON.stringify({ type: "x", code: "upload-state", status: 409, title: "No." }),
  };
  for (const own of [hub, url]) await expect(send(own)).rejects.toMatchObject({ code: "upload-state" });
});
