const LEAST_PAUSE_MS = 50;

/** Passes on an event at most every 50 ms, and always the last. */
export function paced<T>(push: (event: T) => void): (event: T, last: boolean) => void {
  let next = 0;
  return (event, last) => {
    const now = performance.now();
    if (now < next && !last) return;
    next = now + LEAST_PAUSE_MS;
    push(event);
  };
}
