export interface ServiceEnd {
  /** Closes everything: what is asked is answered, what is held is let go. */
  close(): Promise<void>;
  /** Milliseconds that `close` may take. */
  lastMs: number;
  /** Tells that it took longer; the process then ends with 1. */
  late(): void;
  /** Tells what `close` threw; the process then ends with 1. */
  failed(error: unknown): void;
}

/**
 * Ends this process in order, with 0, on SIGTERM and SIGINT. Also when who started it is gone, for nobody would stop it
 * then. Nor would anybody notice that Node hangs in its own exit, as it sometimes does
 * (https://github.com/nodejs/node/issues/54918): so its last act is then a SIGKILL to itself.
 */
export function endInOrder({ close, lastMs, late, failed }: ServiceEnd): void {
  let isClosing = false;
  let isAlone = false;
  const end = (code: number): void => {
    if (isAlone) process.kill(process.pid, "SIGKILL");
    process.exit(code);
  };
  const stop = () => {
    if (isClosing) return;
    isClosing = true;
    setTimeout(() => {
      late();
      end(1);
    }, lastMs).unref();
    close().then(
      () => end(0),
      (error: unknown) => {
        failed(error);
        end(1);
      },
    );
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  process.once("disconnect", () => {
    isAlone = true;
    stop();
  });
}
