import { ProblemError } from "@modulehub/core";
import type { Transport } from "../transport.ts";
import { createPublisher } from "./publishers.ts";

/**
 * Makes a call that may need a publisher, and that, if it is missing. It may be no one's business: then the call says
 * which.
 */
export async function withPublisher<T>(
  transport: Transport,
  publisher: string,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof ProblemError) || error.status !== 404) throw error;
    await createPublisher(transport, publisher).catch((refusal: unknown) => {
      // Who may not make publishers learns more from the first refusal.
      throw refusal instanceof ProblemError && refusal.code === "name-taken" ? error : refusal;
    });
    return call();
  }
}
