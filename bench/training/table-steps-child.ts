import { hubSteps } from "./table-steps.ts";

/** Seconds of so many steps with so many threads, on standard output. */
const [steps, threads] = process.argv.slice(2).map(Number);
if (!steps || !threads) throw new Error("which steps, with how many threads?");
process.stdout.write(String(await hubSteps(steps, threads)));
