import type { PrismaClient } from "../database/generated/client.ts";

/**
 * Brings to now what the queue has for a time that can't be meant: the database's clock was ahead, and has been set
 * back. Without this, a job that was sent meanwhile would wait until the clock is there again, and so would the
 * queue's look for jobs of processes that died. The longest that a job is put off by itself is the twelfth try of a
 * head, about 70 minutes.
 */
export async function afterClockSetBack(prisma: PrismaClient): Promise<void> {
  await prisma.$executeRaw`
    UPDATE pgboss.job SET start_after = now()
    WHERE state IN ('created', 'retry') AND start_after > now() + interval '3 hours'`;
  await prisma.$executeRaw`
    UPDATE pgboss.job SET heartbeat_on = least(heartbeat_on, now()), started_on = least(started_on, now())
    WHERE state = 'active' AND greatest(heartbeat_on, started_on) > now() + interval '1 minute'`;
  await prisma.$executeRaw`
    UPDATE pgboss.queue SET maintain_on = least(maintain_on, now()), monitor_on = least(monitor_on, now())
    WHERE greatest(maintain_on, monitor_on) > now() + interval '1 minute'`;
}
