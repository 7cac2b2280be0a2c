/** Writes openapi/openapi.json from the API's schemas. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openapiDocument } from "@modulehub/api/openapi-document";

writeFileSync(join(import.meta.dirname, "..", "openapi", "openapi.json"), await openapiDocument());
