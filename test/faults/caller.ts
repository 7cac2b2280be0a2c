/** What became of a request: done, refused, or nobody knows, since no answer came or one that says so (5xx, 429). */
export type Outcome<T> =
  | { kind: "done"; status: number; body: T }
  | { kind: "refused"; status: number; body: { code?: string; detail?: string } }
  | { kind: "unknown"; reason: string };

/** The hub that is being tried, where it is at the moment; it has another address after each start. */
export interface Hub {
  url(): string;
  token: string;
}

/** No answer may take longer, in milliseconds: a hub that hangs is a fault too. */
const PATIENCE = 60_000;

/** Calls a hub over HTTP and takes any end for an outcome. */
export async function send<T = Record<string, unknown>>(
  hub: Hub,
  method: string,
  path: string,
  body?: unknown,
  token = hub.token,
): Promise<Outcome<T>> {
  const bytes = body instanceof Uint8Array;
  try {
    const response = await fetch(hub.url() + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && {
          "content-type": bytes ? "application/octet-stream" : "application/json",
        }),
      },
      ...(body !== undefined && { body: bytes ? new Uint8Array(body) : JSON.stringify(body) }),
      signal: AbortSignal.timeout(PATIENCE),
      redirect: "manual",
    });
    const text = await response.text();
    if (response.status >= 500 || response.status === 429)
      return { kind: "unknown", reason: `${method} ${path}: ${response.status} ${text.slice(0, 300)}` };
    const parsed = text === "" ? undefined : JSON.parse(text);
    return response.ok
      ? { kind: "done", status: response.status, body: parsed as T }
      : { kind: "refused", status: response.status, body: parsed as { code?: string } };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : "";
    return { kind: "unknown", reason: `${method} ${path}: ${String(error)}${cause}` };
  }
}

/** Sends a part to an address that a hub gave: one of its own, wherever it is by now, or one at a store. */
export async function sendPart(hub: Hub, address: string, bytes: Uint8Array): Promise<Outcome<unknown>> {
  const { pathname } = new URL(address);
  if (pathname.startsWith("/v1/")) return send(hub, "PUT", pathname, bytes);
  try {
    const response = await fetch(address, {
      method: "PUT",
      body: new Uint8Array(bytes),
      signal: AbortSignal.timeout(PATIENCE),
    });
    const { status } = response;
    const text = await response.text();
    if (response.ok) return { kind: "done", status, body: undefined };
    if (status >= 500) return { kind: "unknown", reason: `${status} ${text.slice(0, 300)}` };
    return { kind: "refused", status, body: { code: "store-refused", detail: text.slice(0, 300) } };
  } catch (error) {
    return { kind: "unknown", reason: `a part to the store: ${String(error)}` };
  }
}

/** The bytes of a file; undefined where no answer, or not all of it, came. */
export async function fetchBytes(hub: Hub, path: string): Promise<Uint8Array | number | undefined> {
  try {
    const response = await fetch(hub.url() + path, {
      headers: { authorization: `Bearer ${hub.token}` },
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (response.status >= 500) {
      await response.body?.cancel();
      return undefined;
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
    return response.status === 200 ? bytes : response.status;
  } catch {
    return undefined;
  }
}
