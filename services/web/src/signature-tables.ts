import type { Manifest, TensorSpec } from "@modulehub/core";
import { type Content, html } from "./html.ts";
import { table } from "./table.ts";

/** The inputs and outputs of every signature, with dtypes and shapes. */
export function signatureTables(manifest: Manifest): Content {
  const signatures = Object.entries(manifest.signatures);
  return signatures.map(
    ([name, { description, inputs, outputs }]) => html`${
      (signatures.length > 1 || name !== "default") && html`<h3>Signature <code>${name}</code></h3>`
    }${description !== undefined && html`<p><bdi>${description}</bdi></p>`}
${tensorTable("Inputs", inputs, name)}
${tensorTable("Outputs", outputs, name)}`,
  );
}

function tensorTable(kind: string, tensors: Record<string, TensorSpec>, signature: string): Content {
  const described = Object.values(tensors).some(
    ({ maxWords, description }) => maxWords !== undefined || description !== undefined,
  );
  const rows = Object.entries(tensors).map(([name, { dtype, shape, maxWords, description }]) => [
    html`<code>${name}</code>`,
    html`<code>${dtype}</code>`,
    html`<code class="shape">[${shape.join(", ")}]</code>`,
    ...(described
      ? [html`<bdi>${description}</bdi>${maxWords !== undefined && ` At most ${maxWords} words each.`}`]
      : []),
  ]);
  return table({
    caption: signature === "default" ? kind : `${kind} of ${signature}`,
    head: [kind === "Inputs" ? "Input" : "Output", "Dtype", "Shape", ...(described ? ["Meaning"] : [])],
    rows,
  });
}
