// A container's health check: exit code 0 when the address answers 200 within two seconds. Images hold no curl.
const answer = await fetch(process.argv[2], { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
process.exit(answer?.ok ? 0 : 1);
