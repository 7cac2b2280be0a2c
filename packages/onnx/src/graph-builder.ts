import { Graph, type GraphOptions } from "./graph.ts";
import type { AttributeKind, Attributes, AttributeValues, Operator } from "./operators/operator.ts";
import { OPERATORS, type OperatorName } from "./operators/table.ts";
import { Value } from "./value.ts";

type Inputs<I> = I extends readonly [infer H, ...infer R]
  ? H extends `${string}...`
    ? [values: readonly Value[]]
    : H extends `${string}?`
      ? [input?: Value | null, ...Inputs<R>]
      : [input: Value, ...Inputs<R>]
  : [];
type KindOf<S> = S extends `${infer K extends AttributeKind}!` ? K : S extends AttributeKind ? S : never;
type RequiredKeys<A> = { [K in keyof A]: A[K] extends `${string}!` ? K : never }[keyof A];
type AttributesOf<A> = { [K in RequiredKeys<A>]: AttributeValues[KindOf<A[K]>] } & {
  [K in Exclude<keyof A, RequiredKeys<A>>]?: AttributeValues[KindOf<A[K]>];
};
/** Attributes may be left out altogether where none must be given. */
type Tail<A> = [RequiredKeys<A>] extends [never]
  ? [attributes?: AttributesOf<A>]
  : [attributes: AttributesOf<A>];
type Entry<N extends OperatorName> = (typeof OPERATORS)[N];
type Padded<T extends readonly unknown[], A> = [RequiredKeys<A>] extends [never]
  ? [...T, ...Tail<A>]
  : [...Required<T>, ...Tail<A>];

/** `Relu` is the method `relu`. */
type OperatorMethods = {
  [N in OperatorName as Uncapitalize<N>]: (
    ...args: Padded<Inputs<Entry<N>["inputs"]>, Entry<N>["attributes"]>
  ) => Value;
};

/**
 * Writes a graph from tensors and operations:
 *
 *     const g = new GraphBuilder({ name: "first" });
 *     const x = g.input("x", "float32", ["batch", 3]);
 *     g.output("y", g.relu(g.add(g.matMul(x, g.constant(weights)), g.constant(bias))));
 *     const bytes = g.toBytes();
 *
 * Every operator of the table is a method: its inputs in order, then its attributes. Types and shapes are inferred
 * on the way, and what doesn't fit throws `graph-invalid` where it is written.
 */
export type GraphBuilder = Graph & OperatorMethods;

const isAttributes = (argument: unknown): argument is Attributes =>
  typeof argument === "object" &&
  argument !== null &&
  !(argument instanceof Value) &&
  !Array.isArray(argument);

class WithMethods extends Graph {}

for (const name of Object.keys(OPERATORS) as OperatorName[]) {
  const method = function (
    this: Graph,
    ...args: (Value | null | undefined | readonly Value[] | Attributes)[]
  ): Value {
    const last = args.at(-1);
    const attributes = isAttributes(last) ? last : {};
    const inputs = (isAttributes(last) ? args.slice(0, -1) : args).flat() as (Value | null | undefined)[];
    const entry: Operator = OPERATORS[name];
    const [value] = this.nodes(name, inputs, attributes, entry.leastOutputs ?? 1);
    if (!value) throw new TypeError(`${name} has no output`);
    return value;
  };
  Object.defineProperty(WithMethods.prototype, name.charAt(0).toLowerCase() + name.slice(1), {
    value: method,
  });
}

/** The methods come from the table, which is what the type says and the loop above does. */
export const GraphBuilder = WithMethods as unknown as new (options?: GraphOptions) => GraphBuilder;
