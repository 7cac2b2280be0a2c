/** An event of a stream of server-sent events, its data unread. */
export interface ServerEvent {
  name: string;
  data: string;
}

/**
 * Reads server-sent events (WHATWG HTML, 9.2.6) from a body, to its end. `alive` is called whenever bytes arrive,
 * comments included. `id` and `retry` are left alone: whoever reads decides when to connect again.
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  alive: () => void,
): AsyncGenerator<ServerEvent, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let [rest, name] = ["", ""];
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      const lines = (rest + decoder.decode(value, { stream: true })).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") {
          if (data.length > 0) yield { name: name || "message", data: data.join("\n") };
          [name, data] = ["", []];
          continue;
        }
        const [, field, text = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
        if (field === "event") name = text;
        else if (field === "data") data.push(text);
      }
    }
  } finally {
    // Whoever stops reading lets go of the connection; of one that broke there is nothing to let go.
    await reader.cancel().catch(() => undefined);
  }
}
