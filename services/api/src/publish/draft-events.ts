import { EventEmitter } from "node:events";

/** What those who watch a draft are told: that its row changed, or how far its verification is. */
export type DraftEvent =
  | { kind: "changed" }
  | { kind: "progress"; step: "reading" | "inspecting" | "waiting" };

/** Passes events of drafts on within this process. */
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
