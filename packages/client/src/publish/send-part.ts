import { Readable } from "node:stream";
import { StoreRefusalError, UnexpectedAnswerError } from "../connection-error.ts";
import type { Transport } from "../transport.ts";

/**
 * Sends raw bytes to an address that the hub gave, once. Throws as `Transport.call` does, and StoreRefusalError. By undici's own
 * request, since `fetch` can't both stream a body and say its length, which stores ask for.
 */
export async function sendPart(
  transport: Transport,
  address: string,
  body: AsyncIterable<Uint8Array>,
  length: number,
  signal: AbortSignal,
): Promise<void> {
  // Imported where it is needed: it asks for a newer Node than the rest of the client.
  const { request } = await import("undici");
  const url = new URL(address, transport.url);
  const headers = transport.headersFor(url, {
    "content-type": "application/octet-stream",
    "content-length": String(length),
  });
  // undici wants no body at all where there are no bytes.
  const bytes = length === 0 ? undefined : Readable.from(body, { objectMode: false });
  let status: number;
  let type: string;
  let text: string;
  try {
    const response = await request(url, { method: "PUT", headers, body: bytes, signal });
    status = response.statusCode;
    type = String(response.headers["content-type"] ?? "no content type");
    text = await response.body.text();
  } catch (error) {
    throw transport.broken(url, error, signal);
  }
  if (status >= 200 && status < 300) return;
  const refusal = transport.refusal(url, status, type, text);
  const isStore = refusal instanceof UnexpectedAnswerError && !transport.isOwn(url);
  throw isStore ? new StoreRefusalError(url.origin, status, text) : refusal;
}
