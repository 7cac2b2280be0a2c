export type { CompiledGraph, Module, Prepared, Truncation } from "./module.ts";
export type { OpenSession, Session, SessionOptions, SessionValue } from "./session-contract.ts";
