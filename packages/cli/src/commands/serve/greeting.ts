/**
 * What `serve` prints when the hub is ready: where it is, how to get in, what to try.
 *
 * @param tokenFile where the admin token is; undefined where the hub was given one
 */
export function greeting(url: string, tokenFile: string | undefined): string {
  const elsewhere = url === "http://127.0.0.1:8080" ? "" : `--url ${url} `;
  return `
Modulehub is ready at ${url}
The admin token is ${tokenFile === undefined ? "the one in MODULEHUB_ADMIN_TOKEN" : `in ${tokenFile}`}

Try:
  curl -s ${url.replace("http://127.0.0.1", "localhost")}/v1/modules/modulehub/nnlm-en-dim100/versions/1/infer \\
    -H 'content-type: application/json' \\
    -d '{"inputs":{"text":["A long sentence.","single-word","http://example.com",""]}}'
  npx modulehub resolve ${elsewhere}modulehub/nnlm-en-dim100
  npx modulehub embed ${elsewhere}modulehub/nnlm-en-dim100 "cat" "dog" "parliament" --json

Ctrl-C stops it.
`;
}
