import { expect } from "vitest";
import { type Told, toldEvents } from "../../services/api/src/testing/told-events.ts";

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
  for await (const told of toldEvents(answer.body!)) {
    heard.push(told);
    each(told);
  }
  return heard;
}

export const statesOf = (heard: readonly Told[]): unknown[] =>
  heard.filter(({ name }) => name === "state").map(({ data }) => data.state);
