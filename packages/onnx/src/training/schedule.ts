import type { ScheduleSettings } from "@modulehub/core";

/**
 * The learning rate of a step, counted from 1, of a run of `steps`. A warm-up climbs in equal parts to the full rate at
 * step `warmUp`; the schedule counts from there.
 */
export function learningRateAt(
  { schedule, learningRate, steps }: { schedule: ScheduleSettings; learningRate: number; steps: number },
  step: number,
): number {
  const { warmUp } = schedule;
  if (step <= warmUp) return (learningRate * step) / warmUp;
  const done = step - warmUp - 1;
  switch (schedule.name) {
    case "constant":
      return learningRate;
    case "step":
      return learningRate * schedule.factor ** Math.floor(done / schedule.every);
    case "cosine": {
      const share = done / Math.max(1, steps - warmUp - 1);
      const { least } = schedule;
      return learningRate * (least + ((1 - least) * (1 + Math.cos(Math.PI * Math.min(1, share)))) / 2);
    }
  }
}
