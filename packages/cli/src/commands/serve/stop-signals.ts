/** Signals that end a service: Ctrl-C, `kill`, a terminal that closes. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** npm hands a terminal's Ctrl-C on to a process that has got it already. */
const SAME_PRESS_MS = 500;

/** Calls `stop` at the first such signal, and `kill` at one that comes later. Returns what undoes that. */
export function onStopSignal(stop: () => void, kill: () => void): () => void {
  let first: number | undefined;
  const handler = () => {
    const now = performance.now();
    if (first === undefined) {
      first = now;
      stop();
    } else if (now - first > SAME_PRESS_MS) kill();
  };
  for (const signal of SIGNALS) process.on(signal, handler);
  return () => {
    for (const signal of SIGNALS) process.off(signal, handler);
  };
}
