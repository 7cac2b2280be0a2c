import type { CompileTask } from "@modulehub/runtime";
import type { RunMode } from "../scheduler/cost-model.ts";
import type { Engine, SessionInfo } from "./engine.ts";

/** What the pool must know of a module to load it. */
export interface PooledModule {
  /** The version's digest: what tells modules apart. */
  digest: string;
  folder: string;
  /** Bytes of its files; weights are most of what a session takes. */
  bytes: number;
  /** What engines load for one of its signatures. */
  compileTask(signature: string): CompileTask;
}

/** An engine of a module in the pool, from when it was asked for until its process has ended. */
export interface Member {
  readonly module: PooledModule;
  /** Each engine's sessions are of one mode. A module's first engine is wide; narrow ones are extra. */
  readonly mode: RunMode;
  readonly engine: Promise<Engine>;
  live: Engine | undefined;
  readonly sessions: Map<string, Promise<SessionInfo>>;
  /** Signatures whose sessions are open. */
  readonly open: Set<string>;
  /** Those that have run something. */
  readonly ran: Set<string>;
  /** Loads under way or waiting for it. */
  loading: number;
  /** Whether a run is under way. */
  running: boolean;
  /** How far its threads stand back for others. */
  nice: number;
  /** Whether a run overstayed on it and lost its priority, which only a privileged parent can give back. */
  worn: boolean;
  lastUsed: number;
  /** Bytes that it is counted with until its first load is done. */
  reservedBytes: number;
  /** What it held when it was last looked at; an engine that rests is not looked at again. */
  heldBytes: number;
}

export const atWork = ({ loading, running }: Member): boolean => running || loading > 0;

/** Memory that a member is counted with now: an engine that works is asked, one that rests holds what it held. */
export function bytesOf(member: Member, now: "look" | "known" = "look"): number {
  if (!member.live) return 0;
  if (now === "look") member.heldBytes = member.live.residentBytes();
  return member.heldBytes;
}
