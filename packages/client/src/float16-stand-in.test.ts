import { expect, test } from "vitest";
import { ConvertingFloat16Array, float16Bits, float16Number } from "./float16-stand-in.ts";

/** The language's own, where these tests run, is the reference. */
const nativeBits = (value: number): number => new Uint16Array(Float16Array.of(value).buffer)[0]!;

test("all 65,536 bit patterns are the numbers that they are in the language", () => {
  const bits = Uint16Array.from({ length: 65536 }, (_, index) => index);
  const numbers = Array.from(bits, (each) => float16Number(each)!);
  expect(numbers).toEqual(Array.from(new Float16Array(bits.buffer)));
});

test("numbers are rounded as the language rounds them: at ties, between powers, at the ends", () => {
  const values: number[] = [
    0,
    -0,
    Number.NaN,
    Infinity,
    -Infinity,
    65504,
    65519.99,
    65520,
    2 ** -25,
    2 ** -26,
    1e-320,
  ];
  for (let bits = 0; bits < 0x7c00; bits++) {
    const low = float16Number(bits)!;
    const middle = (low + (float16Number(bits + 1) ?? 65536)) / 2;
    for (const value of [low, middle, middle * (1 - 1e-12), middle * (1 + 1e-12)]) values.push(value, -value);
  }
  const wrong = values.filter((value) => float16Bits(value) !== nativeBits(value));
  expect(wrong.filter((value) => !Number.isNaN(value))).toEqual([]);
  expect(float16Number(float16Bits(Number.NaN))).toBeNaN();
});

test("the stand-in shares its buffer, and reads, writes, cuts and counts as Float16Array does", () => {
  const bits = new Uint16Array([0x3c00, 0xc000, 0x7c00]);
  const standIn = Reflect.construct(ConvertingFloat16Array, [bits.buffer, 2, 2]);
  expect(Array.from(standIn)).toEqual([-2, Infinity]);
  standIn[0] = 0.5;
  expect(bits[1]).toBe(nativeBits(0.5));
  expect([...standIn.subarray(1).keys()]).toEqual([0]);
  expect(standIn.subarray(1)[0]).toBe(Infinity);
  const copied = Reflect.construct(ConvertingFloat16Array, [[1, 2]]);
  expect(new Uint16Array(copied.buffer)).toEqual(Uint16Array.of(0x3c00, 0x4000));
});
