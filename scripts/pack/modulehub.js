#!/usr/bin/env node
// An older Node would stop at the first thing that it lacks, and not say what to do.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major > 22 || (major === 22 && minor >= 13)) await import("./packages/cli/src/main.js");
else {
  console.error(`modulehub needs Node 22.13 or later; this is ${process.version}.`);
  process.exitCode = 2;
}
