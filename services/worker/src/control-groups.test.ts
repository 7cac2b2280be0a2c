import { expect, test } from "vitest";
import { groupLimits } from "./control-groups.ts";
import { type TestControlGroup, testControlGroup } from "./testing/control-group.ts";
import { affine, allocating } from "./testing/graphs.ts";
import { plainSignature, testModule } from "./testing/modules.ts";
import { askWorker, hubForWorker, startWorkerProcess } from "./testing/worker-process.ts";

/** Files as Linux shows them, by path. */
const limitsOf = (files: Record<string, string>) => groupLimits((path) => files[path]);

const V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const V1_MOUNTS =
  "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n" +
  "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n";

test("version 2: the least limit of a group and those that it is in counts", () => {
  expect(
    limitsOf({
      "/proc/self/cgroup": "0::/pod/container\n",
      "/proc/self/mountinfo": V2_MOUNT,
      "/sys/fs/cgroup/pod/memory.max": "1073741824\n",
      "/sys/fs/cgroup/pod/cpu.max": "400000 100000\n",
      "/sys/fs/cgroup/pod/container/memory.max": "max\n",
      "/sys/fs/cgroup/pod/container/memory.high": "2147483648\n",
      "/sys/fs/cgroup/pod/container/cpu.max": "150000 100000\n",
    }),
  ).toEqual({ memoryBytes: 1073741824, cores: 1.5 });
});

test("version 2 in a container: its own group is at the mount point", () => {
  expect(
    limitsOf({
      "/proc/self/cgroup": "0::/\n",
      "/proc/self/mountinfo": V2_MOUNT,
      "/sys/fs/cgroup/memory.max": "536870912\n",
      "/sys/fs/cgroup/cpu.max": "max 100000\n",
    }),
  ).toEqual({ memoryBytes: 536870912, cores: Infinity });
});

test("version 1: each controller has a hierarchy of its own, and an outer group's limit holds", () => {
  expect(
    limitsOf({
      "/proc/self/cgroup": "4:memory:/outer/inner\n1:cpu:/outer\n0::/\n",
      "/proc/self/mountinfo": V1_MOUNTS,
      "/sys/fs/cgroup/memory/outer/memory.limit_in_bytes": "1073741824\n",
      "/sys/fs/cgroup/memory/outer/inner/memory.limit_in_bytes": "9223372036854771712\n",
      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
      "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
      "/sys/fs/cgroup/cpu/outer/cpu.cfs_quota_us": "200000\n",
      "/sys/fs/cgroup/cpu/outer/cpu.cfs_period_us": "50000\n",
    }),
  ).toEqual({ memoryBytes: 1073741824, cores: 4 });
});

test("version 1 in a container that has the host's paths: the mount shows its group", () => {
  const root = "/docker/0123abcd";
  expect(
    limitsOf({
      "/proc/self/cgroup": `5:memory:${root}\n3:cpu,cpuacct:${root}\n`,
      "/proc/self/mountinfo":
        `40 31 0:29 ${root} /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n` +
        `41 31 0:32 ${root} /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n`,
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n",
      "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
      "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }),
  ).toEqual({ memoryBytes: 268435456, cores: 0.5 });
});

test("without control groups, or limits in them, there are none", () => {
  expect(limitsOf({})).toEqual({ memoryBytes: Infinity, cores: Infinity });
  expect(limitsOf({ "/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": V2_MOUNT })).toEqual({
    memoryBytes: Infinity,
    cores: Infinity,
  });
});

const GIB = 2 ** 30;

/** A group of 1 GiB and one core; where none can be made here, the reason is printed. */
function groupOrReason(): TestControlGroup | undefined {
  try {
    return testControlGroup(GIB, 1);
  } catch (error) {
    console.warn(`No control group for a test: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

const group = groupOrReason();

test.skipIf(!group)(
  "a worker in a control group takes its memory and cores, and a model that wants more harms no other",
  async () => {
    const row = { dtype: "float32" as const, shape: ["batch", 3] };
    const small = testModule(affine(), { signatures: plainSignature(row, row) });
    const greedy = testModule(allocating(), {
      signatures: plainSignature({ dtype: "int64", shape: [1] }, { dtype: "float32", shape: [1] }),
    });
    const hub = await hubForWorker([small, greedy]);
    const worker = await startWorkerProcess(hub.url, {
      first: group!.joins.map((file) => `echo $$ > '${file}'`).join("\n"),
    });
    try {
      const headers = { authorization: `Bearer ${worker.token}` };
      const metrics = await (await fetch(`${worker.url}/metrics`, { headers })).text();
      expect(metrics).toMatch(/^modulehub_worker_cores 1$/m);
      // 60 % of the group's, as the setting's description says.
      expect(metrics).toMatch(
        new RegExp(`^modulehub_worker_memory_budget_bytes ${Math.floor(0.6 * GIB)}$`, "m"),
      );
      expect((await askWorker(worker, small.digest, [[1, 2, 3]])).status).toBe(200);
      // The worker and at least one engine.
      expect(group!.processes()).toContain(worker.child.pid);
      expect(group!.processes().length).toBeGreaterThan(1);
      // 600 MB, which the machine has and an engine here may not hold; and 8 GB.
      for (const numbers of [150e6, 2e9]) {
        const answer = await askWorker(worker, greedy.digest, [numbers]);
        expect(await answer.json()).toMatchObject({ code: "out-of-memory" });
        const other = await askWorker(worker, small.digest, [[1, 2, 3]]);
        expect(await other.json()).toMatchObject({ outputs: { y: { data: [3, 5, 7] } } });
      }
    } finally {
      await worker.remove();
      await group!.remove();
      await hub.close();
    }
  },
  60_000,
);
