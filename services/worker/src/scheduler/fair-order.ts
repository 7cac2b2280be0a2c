/** A part of the queue: a caller, one of the caller's modules, or one request. */
interface Share<Item> {
  parent: Share<Item> | undefined;
  readonly name: string;
  /** Milliseconds of compute that it has had; newcomers begin with what the least served of their kind has. */
  served: number;
  /** What the one that was served last had before: no newcomer begins below. */
  floor: number;
  /** Items that wait in it, and what they are estimated to take. */
  waiting: number;
  waitingMs: number;
  readonly parts: Map<string, Share<Item>>;
  readonly items: Set<Item>;
}

/** Work of one request in the order. */
export interface Ticket<Item> {
  readonly share: Share<Item>;
}

/**
 * Whose turn it is: the caller who had the least of the machine, of that caller's modules the one that had the
 * least, of its requests likewise, the oldest where several had the same. So a thousand items of one caller delay
 * nobody else's single request by more than what runs already, nor a second request of the same caller.
 *
 * This is start-time fair queueing with tags made when work is served instead of when it comes; who was away
 * begins where the least served of the others is, and has saved nothing up.
 */
export class FairOrder<Item extends { readonly workMs: number }> {
  readonly #root: Share<Item> = share<Item>(undefined, "", 0);
  #nextRequest = 1;

  /** Items that wait, and the milliseconds of one core that they are estimated to take. */
  get waiting(): number {
    return this.#root.waiting;
  }
  get waitingMs(): number {
    return this.#root.waitingMs;
  }

  /** A place for a request's items. It is forgotten once nothing in it waits. */
  open(caller: string, module: string): Ticket<Item> {
    const name = `request ${this.#nextRequest++}`;
    return { share: part(part(part(this.#root, `caller ${caller}`), module), name) };
  }

  /** Lets an item wait, after the others of its request or before them. */
  add({ share: place }: Ticket<Item>, item: Item, where: "last" | "first" = "last"): void {
    if (place.waiting === 0) this.#settle(place);
    const others = where === "first" ? [...place.items] : [];
    if (where === "first") place.items.clear();
    place.items.add(item);
    for (const other of others) place.items.add(other);
    for (let at: Share<Item> | undefined = place; at; at = at.parent) {
      at.waiting += 1;
      at.waitingMs += item.workMs;
    }
  }

  /**
   * Puts a request in its place among those of its module and caller. These may have been forgotten while nothing of
   * theirs waited, and made anew by a later request: then it joins what is there now, in which others wait.
   */
  #settle(place: Share<Item>): void {
    const { parent: module } = place;
    const { parent: caller } = module ?? place;
    if (!module || !caller) throw new Error("a ticket's share is that of a request");
    place.parent = part(part(this.#root, caller.name), module.name);
    place.parent.parts.set(place.name, place);
  }

  /** Whether an item waits. */
  has({ share: place }: Ticket<Item>, item: Item): boolean {
    return place.items.has(item);
  }

  /** Takes an item out: because it is served, or nobody waits for it any more. */
  remove({ share: place }: Ticket<Item>, item: Item, why: "served" | "dropped"): void {
    if (!place.items.delete(item)) return;
    for (let at: Share<Item> | undefined = place; at; at = at.parent) {
      at.waiting -= 1;
      at.waitingMs = at.waiting === 0 ? 0 : at.waitingMs - item.workMs;
      const { parent } = at;
      if (why === "served") {
        if (parent) parent.floor = Math.max(parent.floor, at.served);
        at.served += item.workMs;
      }
      // A caller or module that had more than its share is remembered until the others have had as much.
      if (parent && at.waiting === 0 && (at === place || at.served <= parent.floor))
        parent.parts.delete(at.name);
    }
  }

  /** The item whose turn it is among those that can run now. Of each request only the first is looked at. */
  next(canRun: (item: Item) => boolean): Item | undefined {
    return firstOf(this.#root, canRun);
  }

  /**
   * Milliseconds of one core that will be used before a request of a caller is done, itself counted: others have as
   * much as the caller has meanwhile, and of the caller's own requests each as much as this one.
   */
  workUntilDone(caller: string, ms: number): number {
    const name = `caller ${caller}`;
    const own = this.#root.parts.get(name);
    let mine = ms;
    for (const module of own?.parts.values() ?? [])
      for (const { waitingMs, waiting } of module.parts.values())
        mine += Math.min(waitingMs, Math.max(ms, waitingMs / waiting));
    let sum = mine;
    for (const other of this.#root.parts.values())
      if (other.name !== name) sum += Math.min(other.waitingMs, mine);
    return sum;
  }
}

function share<Item>(parent: Share<Item> | undefined, name: string, served: number): Share<Item> {
  return { parent, name, served, floor: 0, waiting: 0, waitingMs: 0, parts: new Map(), items: new Set() };
}

function part<Item>(whole: Share<Item>, name: string): Share<Item> {
  const known = whole.parts.get(name);
  if (known) {
    if (known.waiting === 0) known.served = Math.max(known.served, whole.floor);
    return known;
  }
  const made = share(whole, name, whole.floor);
  whole.parts.set(name, made);
  return made;
}

function firstOf<Item>(place: Share<Item>, canRun: (item: Item) => boolean): Item | undefined {
  for (const item of place.items) return canRun(item) ? item : undefined;
  const parts = [...place.parts.values()].sort((a, b) => a.served - b.served);
  for (const each of parts) {
    if (each.waiting === 0) {
      if (each.served <= place.floor) place.parts.delete(each.name);
      continue;
    }
    const found = firstOf(each, canRun);
    if (found) return found;
  }
  return undefined;
}
