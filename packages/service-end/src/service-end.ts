export interface ServiceEnd {
  /** Closes everything: what is asked is answered, what is held is let go. */
  close(): Promise<void>;
  /** Milliseconds that `close` may take. */
  lastMs: number;
  /** Tells that it took longer; the process then ends with 1. */
  late(): void;
}

/**
 * Ends this process in order, with 0, on SIGTERM and SIGINT. Also when who started it is gone, for nobody would stop it
 * then. Nor would anybody notice that Node hangs in its own exit, as it sometimes does
 * (https://github.com/nodejs/node/issues/54918): so its last act is then a SIGKILL to itself.
 */
export function endInOrder({ close, lastMs, late }: ServiceEnd): void {
  let closing: Promise<void> | undefined;
  const closed = () => {
    if (!closing) {
      setTimeout(() => {
        late();
        process.exit(1);
      }, lastMs).unref();
      closing = close();
    }
    return closing;
  };
  const stop = () => void closed().then(() => process.exit(0));
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  process.once("disconnect", () => void closed().then(() => process.kill(process.pid, "SIGKILL")));
}
