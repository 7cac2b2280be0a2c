import { type ExampleCall, pictureType } from "./example-call.ts";
import { literal, quoted, shellQuoted } from "./literal.ts";

/** Where a snippet finds the hub and the version's files. */
export interface SnippetAddresses {
  /** The address of the version's API, without a slash at the end. */
  version: string;
  file(path: string): string;
  /** A private module needs a token: read from MODULEHUB_TOKEN. */
  needsToken: boolean;
}

/** Programs that make the call of an example, and what they print. */
export interface Snippets {
  curl: string;
  typescript: string;
  python: string;
  /** What the TypeScript and Python programs print, in words: the values as they were at publishing. */
  output: string;
}

const SHOWN = 4;

/** The same call as a command, in TypeScript (Node or browser, no library) and in Python (no library). */
export function snippets(call: ExampleCall, addresses: SnippetAddresses): Snippets {
  return {
    curl: curl(call, addresses),
    typescript: typescript(call, addresses),
    python: python(call, addresses),
    output: output(call),
  };
}

function output(call: ExampleCall): string {
  switch (call.form) {
    case "infer":
      return Object.entries(call.outputs)
        .map(
          ([name, { dtype, shape, data }]) =>
            `${name} ${dtype} ${JSON.stringify(shape)} ${literal(data.slice(0, SHOWN), JSON_SPELLING)}`,
        )
        .join("\n");
    case "embed-file":
      return `${call.width} ${literal(call.embedding.slice(0, SHOWN), JSON_SPELLING)}`;
    case "classify-file":
      return call.results.map(({ label, score }) => `${label} ${score}`).join("\n");
  }
}

const JSON_SPELLING = { true: "true", false: "false", null: "null", file: (path: string) => quoted(path) };

/** The operation's address, and how its request begins. */
function target(call: ExampleCall, { version }: SnippetAddresses): string {
  switch (call.form) {
    case "infer":
      return `${version}/infer`;
    case "embed-file":
      return `${version}/embed`;
    case "classify-file":
      return `${version}/classify?topK=${call.topK}`;
  }
}

function body(call: Extract<ExampleCall, { form: "infer" }>): Record<string, unknown> {
  const { signature, inputs } = call;
  return signature === "default" ? { inputs } : { signature, inputs };
}

function curl(call: ExampleCall, addresses: SnippetAddresses): string {
  const token = addresses.needsToken ? ' \\\n  -H "authorization: Bearer $MODULEHUB_TOKEN"' : "";
  const get = (path: string) =>
    `curl -s ${addresses.needsToken ? '-H "authorization: Bearer $MODULEHUB_TOKEN" ' : ""}${shellQuoted(addresses.file(path))}`;
  const url = shellQuoted(target(call, addresses));
  if (call.form !== "infer")
    return `${get(call.file)} |\ncurl -s ${url}${token} \\\n  -H 'content-type: ${pictureType(call.file)}' --data-binary @-`;
  const files: string[] = [];
  const json = literal(body(call), {
    ...JSON_SPELLING,
    file: (path) => {
      files.push(path);
      return FILE_MARK;
    },
  });
  const head = `curl -s ${url}${token} \\\n  -H 'content-type: application/json' \\\n  `;
  if (files.length === 0) return `${head}-d ${shellQuoted(json)}`;
  // printf puts the files, in base64, where they belong; what it would take for itself is doubled.
  const format = json.replaceAll("\\", "\\\\").replaceAll("%", "%%").replaceAll(FILE_MARK, '{"b64": "%s"}');
  const pictures = files.map((path) => `"$(${get(path)} | base64 | tr -d '\\n')"`);
  return `printf ${shellQuoted(format)} \\\n  ${pictures.join(" \\\n  ")} |\n${head}--data-binary @-`;
}

/** Stands for a file until the JSON is written; JSON has no such character outside strings, and escapes it in them. */
const FILE_MARK = "\u0001";

function typescript(call: ExampleCall, addresses: SnippetAddresses): string {
  const authorization = `authorization: \`Bearer \${process.env.MODULEHUB_TOKEN}\``;
  const headers = (type: string) =>
    `{ "content-type": "${type}"${addresses.needsToken ? `, ${authorization}` : ""} }`;
  const get = (path: string) =>
    `await fetch(${quoted(addresses.file(path))}${addresses.needsToken ? `, { headers: { ${authorization} } }` : ""})`;
  const request = (type: string, content: string) =>
    [
      `const response = await fetch(${quoted(target(call, addresses))}, {`,
      `  method: "POST",`,
      `  headers: ${headers(type)},`,
      `  body: ${content},`,
      "});",
      "if (!response.ok) throw new Error(await response.text());",
    ].join("\n");
  switch (call.form) {
    case "infer": {
      const files: string[] = [];
      const inputs = literal(body(call), {
        ...JSON_SPELLING,
        file: (path) => {
          files.push(path);
          return `{ b64: await base64(${quoted(addresses.file(path))}) }`;
        },
      });
      const reader = [
        "async function base64(url: string): Promise<string> {",
        `  const file = await fetch(url${addresses.needsToken ? `, { headers: { ${authorization} } }` : ""});`,
        `  return Buffer.from(await file.arrayBuffer()).toString("base64");`,
        "}",
        "",
      ];
      return [
        ...(files.length > 0 ? reader : []),
        request("application/json", `JSON.stringify(${inputs})`),
        "const { outputs } = (await response.json()) as {",
        "  outputs: Record<string, { dtype: string; shape: number[]; data: unknown[] }>;",
        "};",
        "for (const [name, { dtype, shape, data }] of Object.entries(outputs))",
        `  console.log(name, dtype, JSON.stringify(shape), JSON.stringify(data.slice(0, ${SHOWN})));`,
      ].join("\n");
    }
    case "embed-file":
      return [
        `const picture = ${get(call.file)};`,
        request(pictureType(call.file), "await picture.arrayBuffer()"),
        "const { embeddings } = (await response.json()) as { embeddings: number[][] };",
        "for (const embedding of embeddings)",
        `  console.log(embedding.length, JSON.stringify(embedding.slice(0, ${SHOWN})));`,
      ].join("\n");
    case "classify-file":
      return [
        `const picture = ${get(call.file)};`,
        request(pictureType(call.file), "await picture.arrayBuffer()"),
        "const { results } = (await response.json()) as { results: { label: string; score: number }[][] };",
        "for (const { label, score } of results[0] ?? []) console.log(label, score);",
      ].join("\n");
  }
}

function python(call: ExampleCall, addresses: SnippetAddresses): string {
  const token = `"Authorization": "Bearer " + os.environ["MODULEHUB_TOKEN"]`;
  const imports = (...names: string[]) =>
    `import ${[...names, ...(addresses.needsToken ? ["os"] : [])].sort().join(", ")}, urllib.request\n`;
  const opened = (url: string) =>
    addresses.needsToken
      ? `urllib.request.urlopen(urllib.request.Request(${url}, headers={${token}}))`
      : `urllib.request.urlopen(${url})`;
  const request = (type: string, content: string) =>
    [
      "request = urllib.request.Request(",
      `    ${quoted(target(call, addresses))},`,
      `    data=${content},`,
      `    headers={"Content-Type": "${type}"${addresses.needsToken ? `, ${token}` : ""}},`,
      ")",
      "with urllib.request.urlopen(request) as response:",
      "    answer = json.load(response)",
    ].join("\n");
  switch (call.form) {
    case "infer": {
      const files: string[] = [];
      const inputs = literal(body(call), {
        true: "True",
        false: "False",
        null: "None",
        file: (path) => {
          files.push(path);
          return `picture(${quoted(addresses.file(path))})`;
        },
      });
      const reader = [
        "def picture(url):",
        `    return {"b64": base64.b64encode(${opened("url")}.read()).decode()}`,
        "",
      ];
      return [
        imports("json", ...(files.length > 0 ? ["base64"] : [])),
        ...(files.length > 0 ? reader : []),
        request("application/json", `json.dumps(${inputs}).encode()`),
        'for name, output in answer["outputs"].items():',
        `    print(name, output["dtype"], output["shape"], output["data"][:${SHOWN}])`,
      ].join("\n");
    }
    case "embed-file":
      return [
        imports("json"),
        `picture = ${opened(quoted(addresses.file(call.file)))}.read()`,
        request(pictureType(call.file), "picture"),
        'for embedding in answer["embeddings"]:',
        `    print(len(embedding), embedding[:${SHOWN}])`,
      ].join("\n");
    case "classify-file":
      return [
        imports("json"),
        `picture = ${opened(quoted(addresses.file(call.file)))}.read()`,
        request(pictureType(call.file), "picture"),
        'for best in answer["results"][0]:',
        '    print(best["label"], best["score"])',
      ].join("\n");
  }
}
