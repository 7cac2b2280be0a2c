import { expect, test } from "vitest";
import { ShortWork } from "./short-work.ts";

test("work is short beside runs that take four times as long or longer", () => {
  const short = new ShortWork();
  expect(short.isShort(1)).toBe(false);
  short.ran(80, 1);
  expect(short.isShort(20)).toBe(true);
  expect(short.isShort(21)).toBe(false);
});

test("a little short work may always pass, and where it is much of the load none does", () => {
  const little = new ShortWork();
  const much = new ShortWork();
  for (let times = 0; times < 200; times++) {
    // 80 ms of long runs on each of two cores, and 5 or 40 ms of short work meanwhile: 3 % and 20 %.
    for (const work of [little, much]) work.ran(80, 2);
    little.came(5);
    much.came(40);
  }
  expect(little.mayPass).toBe(true);
  expect(much.mayPass).toBe(false);
});
