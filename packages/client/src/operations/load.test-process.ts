import { Hub } from "../index.ts";

const [, , url = "", cache = ""] = process.argv;
await using module = await new Hub({ url, cache }).load("acme/double/1", { threads: 1 });
const { outputs } = await module.run({ x: [[3, 4]] });
const unit = outputs.unit;
if (unit?.dtype !== "float32") throw new Error(`Expected float32, got ${unit?.dtype}.`);
console.log(JSON.stringify(Array.from(unit.data, (value) => Number(value.toFixed(6)))));
