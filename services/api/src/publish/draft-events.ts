import type { RowNews } from "../database/row-news.ts";

/** How far a verification is: what it does, or that it waits to be tried again. */
export const VERIFY_STEPS = ["reading", "inspecting", "waiting"] as const;
export type VerifyStep = (typeof VERIFY_STEPS)[number];

/** What those who watch a draft are told: that its row changed, or how far its verification is. */
export type DraftEvent = { kind: "changed" } | { kind: "progress"; step: VerifyStep };

export type DraftEvents = RowNews<DraftEvent>;
