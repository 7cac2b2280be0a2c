import { expect } from "vitest";

/** An event of a draft or a job, as a replica of the hub told it. */
export interface Told {
  name: string;
  data: { state?: string; step?: string; stage?: string; message?: string };
}

/** All events of a path at one replica, until it ends the stream. */
export async function eventsAt(
  api: string,
  path: string,
  token: string,
  each: (told: Told) => void = () => undefined,
): Promise<Told[]> {
  const answer = await fetch(api + path, { headers: { authorization: `Bearer ${token}` } });
  expect(answer.headers.get("content-type")).toBe("text/event-stream");
  const heard: Told[] = [];
  let text = "";
  for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += piece;
    const events = text.split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) {
      const [, name, data] = /^event: (.*)\ndata: (.*)$/m.exec(event) ?? [];
      if (name === undefined) continue;
      const told: Told = { name, data: JSON.parse(data!) };
      heard.push(told);
      each(told);
    }
  }
  return heard;
}

export const statesOf = (heard: readonly Told[]): (string | undefined)[] =>
  heard.filter(({ name }) => name === "state").map(({ data }) => data.state);
