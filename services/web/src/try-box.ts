import type { Manifest, Signature } from "@modulehub/core";
import { fileOf, plainOperation } from "./example-call.ts";
import { type Content, html } from "./html.ts";
import { filePath, type ModuleView, versionPath } from "./module-view.ts";

/** Elements of an input that stands in the box; longer ones are left to the visitor. */
const MAX_ELEMENTS = 64;
/** Characters of an example that are put into the box. */
const MAX_PREFILL = 20_000;

/**
 * A box to try the version: texts or a picture for `embed` and `classify`, JSON for `infer`. The page's
 * script shows it and sends what is in it; without scripts a sentence points at the commands.
 */
export function tryBox(view: ModuleView): Content {
  const operation = plainOperation(view.manifest);
  const address = versionPath(view);
  const [kind, field] =
    operation.kind === "infer"
      ? ["json", jsonField(view.manifest)]
      : operation.role.takes === "image"
        ? ["image", imageField(view, operation.role.input)]
        : ["text", textField(view.manifest, operation.role.input)];
  return html`<p id="try-without">The box to try the module needs JavaScript; the commands below do the same.</p>
<form id="try-form" data-operation="${operation.kind}" data-kind="${kind}" data-address="${address}/${operation.kind}" hidden>
${field}
<p><button type="submit" class="primary">Run</button> <span id="try-state" role="status"></span></p>
</form>
<div id="try-answer" aria-live="polite" hidden></div>`;
}

function textField(manifest: Manifest, input: string): Content {
  const first = manifest.examples?.flatMap(({ inputs }) => textsOf(inputs[input])) ?? [];
  const lines = first.filter((text) => text !== "" && !/[\r\n]/.test(text)).slice(0, 8);
  return html`<label for="try-input">Texts, one a line</label>
<textarea id="try-input" rows="${Math.max(3, lines.length + 1)}" spellcheck="false" required>
${lines.join("\n").slice(0, MAX_PREFILL)}</textarea>`;
}

const textsOf = (value: unknown): string[] =>
  typeof value === "string"
    ? [value]
    : Array.isArray(value)
      ? value.filter((text) => typeof text === "string")
      : [];

function imageField(view: ModuleView, input: string): Content {
  const example = view.manifest.examples
    ?.map(({ inputs }) => inputs[input])
    .map((value) => fileOf(Array.isArray(value) ? value[0] : value))
    .find((path) => path !== undefined && view.files.some((file) => file.path === path));
  return html`<label for="try-input">A picture (JPEG, PNG or WebP); it is sent to this hub and not kept</label>
<div class="row"><input id="try-input" type="file" accept="image/jpeg,image/png,image/webp">${
    example !== undefined &&
    html` <button type="button" id="try-example" data-file="${filePath(view, example)}">Take the module’s example</button>`
  }</div>
<img id="try-picture" alt="The picture to try" hidden>`;
}

function jsonField(manifest: Manifest): Content {
  const text = JSON.stringify(request(manifest), null, 2).slice(0, MAX_PREFILL);
  return html`<label for="try-input">The request, as JSON</label>
<textarea id="try-input" rows="${Math.min(20, text.split("\n").length + 1)}" spellcheck="false" class="code" required>
${text}</textarea>`;
}

/** A request that fits the module: its first example without files, else zeros of the first signature. */
function request(manifest: Manifest): object {
  const example = manifest.examples?.find(({ inputs }) => !JSON.stringify(inputs).includes('"file":'));
  if (example !== undefined && JSON.stringify(example.inputs).length <= MAX_PREFILL / 4)
    return { signature: example.signature, inputs: example.inputs };
  const [name, signature] = Object.entries(manifest.signatures)[0]!;
  return { signature: name, inputs: zeros(signature) };
}

function zeros({ inputs }: Signature): Record<string, object> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { dtype, shape }]) => {
      const sizes = shape.map((dimension) => (typeof dimension === "number" ? dimension : 1));
      const elements = sizes.reduce((product, size) => product * size, 1);
      const zero = dtype === "string" ? "" : dtype === "bool" ? false : dtype === "image" ? { b64: "" } : 0;
      return [
        name,
        { dtype, shape: sizes, data: elements <= MAX_ELEMENTS ? new Array(elements).fill(zero) : [] },
      ];
    }),
  );
}
