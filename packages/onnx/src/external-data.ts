import type { ByteSource } from "./byte-source.ts";
import type { ModelProto, TensorProto } from "./schema.ts";
import { externalEntries, rawLength } from "./tensor-proto.ts";

/**
 * A model whose initializers lie in it, or are read from where they lie when they are needed, in place of being looked
 * for beside it. The model's external data must have been checked (`checkModel`).
 *
 * @param sourceAt opens a file by its location, relative to the model's folder; asked once for each
 */
export function withExternalData(model: ModelProto, sourceAt: (location: string) => ByteSource): ModelProto {
  const { graph } = model;
  if (!graph) return model;
  const sources = new Map<string, ByteSource>();
  const open = (location: string): ByteSource => {
    const source = sources.get(location) ?? sourceAt(location);
    sources.set(location, source);
    return source;
  };
  const initializer = graph.initializer.map((tensor): TensorProto => {
    const entries = externalEntries(tensor);
    const length = rawLength(tensor);
    if (entries === null || length === null) return tensor;
    const source = open(entries.get("location") ?? "");
    const rawData = { source, offset: Number(entries.get("offset") ?? 0), length };
    return { ...tensor, dataLocation: 0, externalData: [], rawData };
  });
  return { ...model, graph: { ...graph, initializer } };
}
