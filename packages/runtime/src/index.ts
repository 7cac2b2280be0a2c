export { checkAssets } from "./assets.ts";
export { checkModule, type ModuleFinding } from "./check-module.ts";
export { checkOutputNames } from "./finish.ts";
export { type LocalModule, openLocalModule, runModule } from "./local.ts";
export type { CompiledGraph, Module, Prepared, Truncation } from "./module.ts";
export { type ModuleOptions, openModule, readManifest } from "./open-module.ts";
export type { OpenSession, Session, SessionOptions, SessionValue } from "./session-contract.ts";
