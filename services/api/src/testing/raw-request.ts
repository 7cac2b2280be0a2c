import { connect } from "node:net";

/**
 * Sends bytes to a hub as they are and reads until it closes: HTTP clients tidy paths up before they send
 * them. Returns the status and what came after the headers.
 */
export async function rawRequest(
  hubUrl: string,
  requestLine: string,
  headers: string[] = [],
  body: string | Uint8Array = "",
): Promise<{ status: number; head: string; body: string }> {
  const { hostname, port } = new URL(hubUrl);
  const socket = connect(Number(port), hostname);
  const lines = [`${requestLine} HTTP/1.1`, `Host: ${hostname}`, "Connection: close", ...headers, "", ""];
  socket.write(lines.join("\r\n"));
  if (body.length > 0) socket.write(body);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  const [head = "", ...rest] = Buffer.concat(chunks).toString().split("\r\n\r\n");
  return { status: Number(head.split(" ")[1]), head, body: rest.join("\r\n\r\n") };
}
