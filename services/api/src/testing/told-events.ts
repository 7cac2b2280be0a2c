/** An event of a stream, its data read as JSON. */
export interface Told {
  name: string;
  data: Record<string, unknown>;
}

/** The events of an answer's body, as they come; comments that keep a stream alive are none. */
export async function* toldEvents(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<Told, void> {
  let text = "";
  for await (const piece of body.pipeThrough(new TextDecoderStream())) {
    text += piece;
    const events = text.split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) {
      const [, name, data] = /^event: (.*)\ndata: (.*)$/m.exec(event) ?? [];
      if (name !== undefined) yield { name, data: JSON.parse(data!) };
    }
  }
}
