/** Seconds after which it is worth to ask a store again that could not do something. */
export const AGAIN = 5;

/** What a hub says of a store that has no room. */
export const STORE_FULL = "The blob store is full; make room, then try again.";
