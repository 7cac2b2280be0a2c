import type { InspectionReport } from "@modulehub/core";
import { type Content, html } from "./html.ts";
import { byteSize, count } from "./quantity.ts";

/** Operators that a graph's line names; the others are counted. */
const MAX_OPERATORS = 12;
const MAX_EVIDENCE = 50;

/** What the hub saw when it loaded and ran the version, folded away. */
export function inspectionFindings(report: InspectionReport): Content {
  const { runtime, load, graphs, signatures } = report;
  return html`<details><summary>What the hub saw when it loaded and ran this version</summary>
<p>ONNX Runtime ${runtime.onnxruntime}, ${runtime.executionProvider}. Loaded in ${count(load.milliseconds)} ms; at most ${byteSize(load.peakBytes)} of memory.</p>
${Object.entries(graphs).map(([path, graph]) => html`<h3><code>${path}</code></h3><p>${graphLine(graph)}</p>`)}
${Object.entries(signatures).map(
  ([name, { batching, evidence }]) => html`<h3>Batching of <code>${name}</code></h3>
<p>${batching === "none" ? "Every request runs alone." : "Requests of several callers may run together."}</p>
<ul>${evidence.slice(0, MAX_EVIDENCE).map((sentence) => html`<li>${sentence}</li>`)}</ul>`,
)}
</details>`;
}

function graphLine(graph: InspectionReport["graphs"][string]): string {
  const operators = Object.entries(graph.operators).sort(([, one], [, other]) => other - one);
  const named = operators.slice(0, MAX_OPERATORS).map(([name, times]) => `${name} × ${count(times)}`);
  if (operators.length > MAX_OPERATORS) named.push(`${operators.length - MAX_OPERATORS} other kinds`);
  const opsets = Object.entries(graph.opsets).map(([domain, version]) => `${domain || "ai.onnx"} ${version}`);
  return (
    `${count(graph.nodes)} nodes, ${count(graph.parameters)} parameters (${byteSize(graph.parameterBytes)}), ` +
    `IR ${graph.irVersion}, opsets ${opsets.join(", ")}${graph.producer && `, made by ${graph.producer}`}. ${named.join(", ")}.`
  );
}
