import { EventEmitter } from "node:events";

/** How far a verification is: what it does, or that it waits to be tried again. */
export const VERIFY_STEPS = ["reading", "inspecting", "waiting"] as const;
export type VerifyStep = (typeof VERIFY_STEPS)[number];

/** What those who watch a draft are told: that its row changed, or how far its verification is. */
export type DraftEvent = { kind: "changed" } | { kind: "progress"; step: VerifyStep };

/** Passes events of drafts on within this process; readers at others see what was written down. */
export interface DraftEvents {
  tell(draft: string, event: DraftEvent): void;
  /** Returns the function that ends the watch. */
  watch(draft: string, listener: (event: DraftEvent) => void): () => void;
}

export function createDraftEvents(): DraftEvents {
  const emitter = new EventEmitter({ captureRejections: false });
  emitter.setMaxListeners(0);
  return {
    tell: (draft, event) => {
      emitter.emit(draft, event);
    },
    watch: (draft, listener) => {
      emitter.on(draft, listener);
      return () => emitter.off(draft, listener);
    },
  };
}
