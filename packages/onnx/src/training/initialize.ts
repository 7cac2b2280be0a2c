import { RandomSequence } from "./philox.ts";
import type { ParameterSpec, TrainingProgram } from "./program.ts";

/** The start of all parameters, row-major, each from its own sequence of the seed. */
export function initialParameters(
  { parameters }: Pick<TrainingProgram, "parameters">,
  seed: number,
): Map<string, Float32Array> {
  return new Map(
    parameters.map((parameter, index) => [parameter.name, initialValues(parameter, seed, index)]),
  );
}

function initialValues({ shape, initial }: ParameterSpec, seed: number, index: number): Float32Array {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const random = new RandomSequence(seed, "initialize", index);
  switch (initial.kind) {
    case "zeros":
      return values;
    case "glorot-uniform": {
      const limit = Math.sqrt(6 / (initial.fanIn + initial.fanOut));
      return values.map(() => (2 * random.uniform() - 1) * limit);
    }
    case "he-normal": {
      const deviation = Math.sqrt(2 / initial.fanIn);
      return values.map(() => random.normal() * deviation);
    }
  }
}
