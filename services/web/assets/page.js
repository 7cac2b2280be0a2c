/** What a page does beyond being read: it copies text, and sends what is in the box to the hub. */

const byId = (id) => document.getElementById(id);

/** An element with text and children; text is never taken for markup. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return made;
}

/** Copies text; where the browser refuses the clipboard (pages over plain HTTP) the field is selected instead. */
async function copy(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied";
  } catch {
    if (field instanceof HTMLInputElement) field.select();
    else getSelection()?.selectAllChildren(field);
    return "Selected: press Ctrl+C or ⌘C";
  }
}

const copyUrl = byId("copy-url");
if (copyUrl) {
  copyUrl.hidden = false;
  copyUrl.addEventListener("click", async () => {
    byId("copy-state").textContent = await copy(byId("url").value, byId("url"));
  });
}

for (const snippet of document.querySelectorAll(".snippet")) {
  const program = snippet.querySelector("pre");
  const heading = snippet.querySelector("h3");
  if (program.id === "snippet-output") continue;
  const button = element("button", { type: "button", "aria-label": `Copy ${heading.textContent}` }, "Copy");
  button.addEventListener("click", async () => {
    button.textContent = await copy(program.textContent, program);
  });
  snippet.append(button);
}

const form = byId("try-form");
if (form) {
  const { kind, operation, address } = form.dataset;
  const input = byId("try-input");
  const answer = byId("try-answer");
  const state = byId("try-state");
  const preview = byId("try-picture");
  let picture;

  form.hidden = false;
  byId("try-without").hidden = true;
  input.addEventListener("change", () => kind === "image" && take(input.files[0]));

  const example = byId("try-example");
  example?.addEventListener("click", async () => {
    const file = await fetch(example.dataset.file);
    if (!file.ok) return show(await problemOf(file));
    take(await file.blob());
    input.value = "";
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    state.textContent = "Running…";
    const started = performance.now();
    try {
      const request = requestOf();
      const response = await fetch(request.url, { method: "POST", ...request.init });
      if (response.ok) show(answerOf(await response.json()));
      else show(await problemOf(response));
      state.textContent = `Answered in ${Math.round(performance.now() - started)} ms`;
    } catch (error) {
      state.textContent = "";
      show(element("p", { class: "warning" }, error.message));
    } finally {
      button.disabled = false;
    }
  });

  function take(file) {
    picture = file;
    if (preview.src) URL.revokeObjectURL(preview.src);
    preview.hidden = !file;
    if (file) preview.src = URL.createObjectURL(file);
  }

  const lines = () => input.value.split("\n").filter((line) => line.trim() !== "");

  function requestOf() {
    if (kind === "image") {
      if (!picture) throw new Error("Choose a picture first.");
      const url = operation === "classify" ? `${address}?topK=5` : address;
      return { url, init: { headers: { "content-type": picture.type }, body: picture } };
    }
    if (kind === "text" && lines().length === 0) throw new Error("Write a text first.");
    const topK = operation === "classify" ? { topK: 5 } : {};
    const body = kind === "text" ? JSON.stringify({ inputs: lines(), ...topK }) : input.value;
    return { url: address, init: { headers: { "content-type": "application/json" }, body } };
  }

  function show(content) {
    answer.replaceChildren(content);
    answer.hidden = false;
  }

  async function problemOf(response) {
    const text = await response.text();
    let sentence = `The hub answered ${response.status}.`;
    try {
      const { title, detail, code } = JSON.parse(text);
      sentence = `${detail ?? title} (${code})`;
    } catch {
      // A proxy's error page, not the hub's: the status says what there is to say.
    }
    return element("p", { class: "warning" }, sentence);
  }

  function answerOf(result) {
    const names = kind === "text" ? lines() : ["The picture"];
    if (operation === "classify") return classes(names, result.results);
    if (operation === "embed") return embeddings(names, result.embeddings);
    return element("pre", { tabindex: 0, class: "wrapped" }, shortened(result));
  }

  function classes(names, results) {
    const parts = results.map((ranked, index) =>
      table(
        names[index],
        ["Label", "Score"],
        ranked.map(({ label, score }) => [
          label,
          element(
            "span",
            {},
            element("meter", { value: score, min: 0, max: 1, "aria-label": `Score of ${label}` }),
            ` ${score.toFixed(3)}`,
          ),
        ]),
      ),
    );
    return element("div", {}, ...parts);
  }

  function embeddings(names, vectors) {
    const width = vectors[0]?.length ?? 0;
    const rows = vectors.map((vector, index) => [
      names[index],
      `${vector
        .slice(0, 6)
        .map((value) => value.toFixed(4))
        .join(", ")}…`,
    ]);
    const parts = [
      table(`Vectors of ${width} numbers`, [kind === "text" ? "Text" : "Picture", "First numbers"], rows),
    ];
    if (vectors.length > 1 && vectors.length <= 12)
      parts.push(
        table(
          "How alike they are: cosines, from −1 to 1",
          ["Text", ...names.map((_, index) => index + 1)],
          vectors.map((one, index) => [
            `${index + 1}. ${names[index]}`,
            ...vectors.map((other) => cosine(one, other).toFixed(2)),
          ]),
        ),
      );
    return element("div", {}, ...parts);
  }

  function cosine(one, other) {
    const product = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);
    const lengths = Math.sqrt(product(one, one) * product(other, other));
    return lengths === 0 ? 0 : product(one, other) / lengths;
  }

  /** JSON in which long lists of data end after 32 elements. */
  function shortened(result) {
    for (const output of Object.values(result.outputs ?? {}))
      if (Array.isArray(output.data) && output.data.length > 32)
        output.data = [...output.data.slice(0, 32), `… ${output.data.length - 32} more`];
    return JSON.stringify(result, null, 2).replace(
      /\[\s+([^[\]{}]*?)\s+\]/g,
      (_, items) => `[${items.replace(/\n\s+/g, " ")}]`,
    );
  }

  function table(caption, head, rows) {
    const made = element(
      "table",
      {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
      element(
        "tbody",
        {},
        ...rows.map(([first, ...rest]) =>
          element(
            "tr",
            {},
            element("th", { scope: "row" }, first),
            ...rest.map((cell) => element("td", {}, cell)),
          ),
        ),
      ),
    );
    return element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": caption }, made);
  }
}
