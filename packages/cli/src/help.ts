import type { Command } from "commander";
import { EXIT_HELP } from "./exit-code.ts";

/** Lines of help for a command: what one types. The hub of these examples is the one that `modulehub serve` starts. */
const EXAMPLES: Record<string, readonly string[]> = {
  serve: ["modulehub serve", "modulehub serve --port 9000 --data /var/lib/modulehub"],
  fsck: [
    "modulehub fsck",
    "modulehub fsck --deep --json",
    "modulehub fsck --repair --data /var/lib/modulehub",
  ],
  migrate: ["modulehub migrate --from .modulehub --to postgresql://hub@localhost/hub --store s3://modules"],
  login: ["modulehub login --url https://hub.example", "modulehub login < token-file"],
  logout: ["modulehub logout", "modulehub logout --revoke"],
  whoami: ["modulehub whoami", "modulehub whoami --json"],
  list: ["modulehub list", "modulehub list --publisher acme --all --json"],
  search: [
    "modulehub search cats",
    "modulehub search text embedding --input string --license mit --sort recent",
  ],
  show: ["modulehub show acme/words", "modulehub show acme/words@stable --json"],
  versions: ["modulehub versions acme/words"],
  resolve: ["modulehub resolve acme/words@stable"],
  download: ["modulehub download acme/words/3 --to words"],
  infer: [
    `modulehub infer acme/words --input 'text=["cat","dog"]'`,
    "modulehub infer acme/words --inputs @inputs.json",
  ],
  embed: ['modulehub embed acme/words "cat" "dog" --json', "modulehub embed acme/words @texts.txt --json"],
  classify: ["modulehub classify acme/photos cat.jpg dog.png --top-k 3"],
  train: [
    "modulehub train modulehub/nnlm-en-dim100 --data reviews.csv --publish acme/reviews",
    "modulehub train modulehub/nnlm-en-dim100/1 --data aclImdb.tar.gz --hidden 500,100 --optimizer adagrad --learning-rate 0.003 --steps 1000 --batch 128 --publish acme/imdb-sentiment --json",
    "modulehub train acme/photos --data photos --early-stopping --require-accuracy 0.9 --publish acme/cats@stable",
  ],
  evaluate: ["modulehub evaluate acme/reviews/1 --data more-reviews.jsonl --require-accuracy 0.8"],
  compare: ["modulehub compare acme/reviews/1 acme/reviews/2"],
  rank: ["modulehub rank modulehub/nnlm-en-dim100 acme/words --data reviews.csv"],
  jobs: ["modulehub jobs list --state running", "modulehub jobs watch 0198c0de"],
  lineage: ["modulehub lineage acme/reviews/1", "modulehub lineage modulehub/nnlm-en-dim100/1 --down"],
  "data check": ["modulehub data check reviews.csv --label-column stars"],
  publish: [
    "modulehub publish my-module acme/words",
    "modulehub publish model.onnx acme/words/3 --alias stable",
    "modulehub publish my-module acme/words --dry-run > my-module/module.json",
  ],
  build: ["modulehub build text-embedding --vectors glove.txt --out my-module"],
  "build text-embedding": [
    "modulehub build text-embedding --vectors glove.txt.gz --words 20000 --out my-module",
  ],
  alias: [
    "modulehub alias acme/words/3 stable",
    "modulehub alias --list acme/words",
    "modulehub alias --remove acme/words@stable",
  ],
  yank: ['modulehub yank acme/words/3 --reason "Wrong labels."', "modulehub yank --undo acme/words/3"],
  delete: [
    "modulehub delete acme/words/3",
    'modulehub delete acme/words --yes --reason "Moved to acme/vectors."',
  ],
  docs: [
    "modulehub docs acme/words",
    'modulehub docs acme/words/3 --set README.md --message "Says where the words are from"',
    "modulehub docs acme/words/3 --history",
  ],
  drafts: ["modulehub drafts list acme/words --state failed", "modulehub drafts publish 0198c0de"],
  head: [
    'modulehub head commit acme/words my-module -m "Better vectors"',
    "modulehub head publish acme/words --alias stable",
    "modulehub head log acme/words",
  ],
  settings: [
    "modulehub settings acme/words --visibility private",
    "modulehub settings acme/words --rename acme/english-words",
  ],
  publishers: [
    "modulehub publishers create acme --name 'Acme Research'",
    "modulehub publishers list",
    "modulehub publishers quota acme 500GB",
    "modulehub publishers delete acme",
  ],
  audit: ["modulehub audit --publisher acme", "modulehub audit --module acme/words --all --json"],
  tokens: ["modulehub tokens list", "modulehub tokens create laptop --role writer --days 90"],
  members: ["modulehub members list acme", "modulehub members set acme ada --role writer"],
  accounts: ["modulehub accounts create ada", "modulehub accounts disable ada"],
  completion: ["source <(modulehub completion bash)", "modulehub completion fish | source"],
  version: ["modulehub version"],
};

/** Adds what help says besides: examples, and at the outermost command exit codes. */
export function addHelp(root: Command): void {
  root.addHelpText("after", `${EXIT_HELP}\n\n"modulehub help COMMAND" says more about each, with examples.`);
  const walk = (command: Command, path: string[]): void => {
    const examples = EXAMPLES[path.join(" ")];
    if (examples)
      command.addHelpText("after", `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}`);
    for (const each of command.commands) walk(each, [...path, each.name()]);
  };
  for (const command of root.commands) walk(command, [command.name()]);
}

/** The examples, for the test that each could be typed. */
export const exampleLines = (): string[] => Object.values(EXAMPLES).flat();
