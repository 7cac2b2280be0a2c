import { problem, type Tensor } from "@modulehub/core";

/** Elements in an answer: turning a million into JSON keeps everyone else waiting for 100 ms. */
const MOST_ELEMENTS = 2_000_000;

/** Throws `answer-too-large` for outputs that would keep the worker busy with writing numbers. */
export function checkJsonSize(outputs: Iterable<Tensor>): void {
  let elements = 0;
  for (const { data } of outputs) elements += data.length;
  if (elements > MOST_ELEMENTS)
    throw problem(
      "answer-too-large",
      `The outputs have ${elements} elements; JSON carries up to ${MOST_ELEMENTS}.`,
    );
}
