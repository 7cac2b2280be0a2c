import { expect, test } from "vitest";
import { FairOrder } from "./fair-order.ts";

interface Named {
  name: string;
  workMs: number;
}

function setup() {
  const order = new FairOrder<Named>();
  const tickets = new Map<Named, ReturnType<typeof order.open>>();
  const request = (caller: string, count: number, { module = "m", workMs = 1, name = caller } = {}) => {
    const ticket = order.open(caller, module);
    for (let index = 0; index < count; index++) {
      const item = { name: `${name}${index}`, workMs };
      tickets.set(item, ticket);
      order.add(ticket, item);
    }
  };
  const serve = (count: number) =>
    Array.from({ length: count }, () => {
      const item = order.next(() => true);
      if (item) order.remove(tickets.get(item)!, item, "served");
      return item?.name;
    });
  return { order, request, serve };
}

test("a thousand items of one caller delay another's single request by no more than one of them", () => {
  const { request, serve } = setup();
  request("a", 1000);
  serve(10);
  request("b", 1);
  expect(serve(3)).toContain("b0");
});

test("two callers get the same part of the machine, whatever their items take", () => {
  const { request, serve } = setup();
  request("a", 100, { workMs: 10 });
  request("b", 1000, { workMs: 1 });
  const served = serve(110);
  // 110 items, 10 of a for 100 of b: as much work for each.
  expect(served.filter((name) => name?.startsWith("a")).length).toBeGreaterThanOrEqual(9);
  expect(served.filter((name) => name?.startsWith("a")).length).toBeLessThanOrEqual(11);
});

test("a second request of a caller doesn't wait for all of the first", () => {
  const { request, serve } = setup();
  request("a", 100, { name: "long" });
  serve(1);
  request("a", 1, { name: "short" });
  expect(serve(1)).toEqual(["short0"]);
});

test("requests of a caller that had the same are served in the order in which they came", () => {
  const { request, serve } = setup();
  for (const name of ["x", "y", "z"]) request("a", 1, { name });
  expect(serve(3)).toEqual(["x0", "y0", "z0"]);
});

test("a caller's modules share its part: many requests for one don't hold back the other", () => {
  const { request, serve } = setup();
  for (let times = 0; times < 50; times++) request("a", 1, { module: "m" });
  serve(5);
  request("a", 1, { module: "other", name: "other" });
  expect(serve(1)).toEqual(["other0"]);
});

test("who comes back has nothing saved up, and what it had too much is remembered", () => {
  const { request, serve } = setup();
  request("a", 20);
  request("b", 200);
  serve(40);
  request("a", 100);
  const next = serve(20);
  expect(next.filter((name) => name?.startsWith("a")).length).toBeLessThanOrEqual(11);
});

test("what can't run now is passed over", () => {
  const { order, request } = setup();
  request("a", 5);
  request("b", 1);
  expect(order.next(({ name }) => name.startsWith("b"))?.name).toBe("b0");
  expect(order.next(() => false)).toBeUndefined();
});

test("the work before a request is what others get meanwhile, not all that they have", () => {
  const { order, request } = setup();
  request("a", 1000);
  request("b", 5);
  // c asks for 10 ms: a has had as much by then, b its 5 ms, c its own.
  expect(order.workUntilDone("c", 10)).toBe(10 + 10 + 5);
  // A second request of a: its first has as much, and b all it wants.
  expect(order.workUntilDone("a", 10)).toBe(10 + 10 + 5);
});

test("nothing is left of what was served or dropped", () => {
  const { order, request, serve } = setup();
  request("a", 3, { workMs: 0.1 });
  request("b", 3, { workMs: 0.2 });
  serve(6);
  expect(order.waiting).toBe(0);
  expect(order.waitingMs).toBe(0);
  expect(order.workUntilDone("a", 0)).toBe(0);
});

test("an item that runs again loses nobody's turn, also after its caller was forgotten and came back", () => {
  const order = new FairOrder<Named>();
  const item = (name: string, workMs: number): Named => ({ name, workMs });
  const first = order.open("a", "m");
  const killed = item("killed", 1);
  order.add(first, killed);
  order.remove(first, killed, "served");
  // Another caller has more of the machine meanwhile, so that nothing is held against the first any more.
  for (const name of ["b0", "b1"]) {
    const ticket = order.open("b", "m");
    const other = item(name, 10);
    order.add(ticket, other);
    expect(order.next(() => true)).toBe(other);
    order.remove(ticket, other, "served");
  }
  expect(order.next(() => true)).toBeUndefined();
  const second = order.open("a", "m");
  const later = item("later", 1);
  order.add(second, later);
  order.add(first, killed, "first");
  const served = new Set<Named | undefined>();
  for (const [ticket, expected] of [
    [first, killed],
    [second, later],
  ] as const) {
    served.add(order.next((each) => each === expected));
    order.remove(ticket, expected, "served");
  }
  expect(served).toEqual(new Set([killed, later]));
  expect(order.waiting).toBe(0);
  expect(order.next(() => true)).toBeUndefined();
});
