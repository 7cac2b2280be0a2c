import fc from "fast-check";
import { expect, test } from "vitest";
import { readEvents } from "./event-source.ts";

/** A body whose bytes come in these pieces. */
const bodyOf = (pieces: Uint8Array[]): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });

// The events, and what a reader makes of them, are the examples of the standard: WHATWG HTML, 9.2.6.
const STREAM = [
  ": test stream",
  "",
  "data: first event",
  "id: 1",
  "",
  "data:second event",
  "id",
  "",
  "data:  third event",
  "",
  "event: add",
  "data: YHOO",
  "data: +2",
  "data: 10 µ",
  "",
  "data",
  "",
  "data: never ended",
].join("\n");
const EVENTS = [
  { name: "message", data: "first event" },
  { name: "message", data: "second event" },
  { name: "message", data: " third event" },
  { name: "add", data: "YHOO\n+2\n10 µ" },
  { name: "message", data: "" },
];

test("a stream is read as the standard's examples are, wherever its bytes are cut and however lines end", async () => {
  const cuts = fc.array(fc.nat(STREAM.length), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(cuts, fc.constantFrom("\n", "\r\n"), async (at, lineEnd) => {
      const bytes = new TextEncoder().encode(STREAM.replaceAll("\n", lineEnd));
      const places = [0, ...at.toSorted((a, b) => a - b), bytes.length];
      const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
      let heard = 0;
      const events = await Array.fromAsync(
        readEvents(bodyOf(pieces.filter((piece) => piece.length > 0)), () => (heard += 1)),
      );
      expect(events).toEqual(EVENTS);
      expect(heard).toBeGreaterThan(0);
    }),
  );
});
