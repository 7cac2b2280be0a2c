import { defineConfig } from "prisma/config";

/** For Prisma's own commands only: the hub applies `migrations/` itself, see services/api/src/database. */
export default defineConfig({ schema: "prisma/schema.prisma", migrations: { path: "migrations" } });
