import { formatHandle, type ModuleName, parseHandle } from "@modulehub/core";

/** That a module has another name now, for someone who may see it: no fault, it is answered with where it is. */
export class ModuleMoved extends Error {
  readonly to: ModuleName;

  constructor(to: ModuleName) {
    super(`The module is ${to} now.`);
    this.name = "ModuleMoved";
    this.to = to;
  }
}

/** Looks for something of a module under the name that it has now. */
export async function underPresentName<T>(
  name: ModuleName,
  look: (name: ModuleName) => Promise<T>,
): Promise<T> {
  for (let present = name; ; ) {
    try {
      return await look(present);
    } catch (error) {
      if (!(error instanceof ModuleMoved)) throw error;
      present = error.to;
    }
  }
}

/** The public address, query and all, at which a module that has moved answers a request to this internal URL. */
export function movedAddress(url: string, to: ModuleName): string {
  const [path = "", ...query] = url.split("?");
  const [, , kind, name = "", ...rest] = path.split("/");
  const { reference } = parseHandle(decodeURIComponent(name));
  const address =
    kind === "handle"
      ? `/${formatHandle({ module: to, reference })}`
      : ["/v1/modules", to, ...rest].join("/");
  return [address, ...query].join("?");
}
