export { ASSETS, type Asset } from "./assets.ts";
export { frontPage } from "./front-page.ts";
export { PAGE_HEADERS } from "./layout.ts";
export type { ModuleList, ModuleRow } from "./module-list.ts";
export { modulePage } from "./module-page.ts";
export type { ModuleView, VersionRow } from "./module-view.ts";
export { problemPage } from "./problem-page.ts";
export { type PublisherView, publisherPage } from "./publisher-page.ts";
export { type Card, type Readme, readReadme } from "./readme.ts";
